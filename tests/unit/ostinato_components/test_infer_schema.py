"""The step infer_schema: schema, statistics, profile, on real and on nasty data."""

import json
import random
import re

import pytest

from ostinato.errors import DataError
from ostinato.load import canonical_json, load_config
from ostinato_components import infer_schema

CONFIG = {
    "input_features": [
        {"name": "age", "type": "number"},
        {"name": "job", "type": "category"},
        {"name": "copy", "type": "category"},
    ],
    "output_features": [{"name": "rich", "type": "binary"}],
}


def rows(count=400):
    generator = random.Random(0)
    for number in range(count):
        age, job = generator.randint(18, 80), generator.choice(["cook", "clerk", "nurse"])
        rich = "yes" if age > 40 else "no"
        yield {
            "age": age if number % 20 else "",
            "job": job,
            "copy": job.upper(),
            "leak": 1 if rich == "yes" else 0,
            "key": f"k{number}",
            "constant": "x",
            "income": 1e9 if number == 7 else generator.gauss(0, 1),
            "rich": rich,
        }


@pytest.fixture
def data(tmp_path):
    table = list(rows())
    lines = [",".join(table[0]), *(",".join(map(str, row.values())) for row in table)]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines))
    return path


def run(folder, dataset, config="", **options):
    paths = [str(folder / "out" / name) for name in ("schema.json", "statistics.json", "profile.html")]
    schema = infer_schema.run(str(dataset), config, *paths, **options)
    read = [(folder / "out" / name).read_text() for name in ("schema.json", "statistics.json", "profile.html")]
    assert infer_schema.Schema.model_validate_json(read[0], strict=False) == schema
    return schema, json.loads(read[1]), read[2]


def test_schema_says_what_each_column_is(tmp_path, data):
    schema, _, _ = run(tmp_path, data, canonical_json(CONFIG))
    columns = {column.name: column for column in schema.columns}
    assert schema.rows == 400
    assert [columns[name].role for name in ("age", "rich", "key")] == ["input", "output", "unused"]
    assert [columns[name].type for name in ("age", "job", "rich")] == ["number", "category", "binary"]
    assert columns["age"].arrow_type == "int64"
    assert columns["age"].nullable
    assert columns["key"].left_out
    assert columns["constant"].flags == ("constant",)


def test_statistics_are_those_of_the_data(tmp_path, data):
    _, statistics, _ = run(tmp_path, data)
    ages = [row["age"] for row in rows() if row["age"] != ""]
    age = statistics["columns"]["age"]
    assert (age["rows"], age["missing"], age["distinct"]) == (400, 20, len(set(ages)))
    assert age["number"]["mean"] == pytest.approx(sum(ages) / len(ages))
    assert (age["number"]["minimum"], age["number"]["maximum"]) == (min(ages), max(ages))
    assert sum(age["number"]["histogram"]["counts"]) == len(ages)
    income = statistics["columns"]["income"]["number"]["histogram"]
    assert income["above"] == 1
    assert sum(income["counts"]) == 399
    job = statistics["columns"]["job"]["top_values"]
    assert sum(one["count"] for one in job) == 400


def test_the_profile_warns_of_what_is_odd(tmp_path, data):
    config = canonical_json(
        CONFIG | {"input_features": [*CONFIG["input_features"], {"name": "leak", "type": "number"}]}
    )
    _, _, page = run(tmp_path, data, config)
    for words in (
        "tells the target &#39;rich&#39; almost alone",
        "says the same as &#39;job&#39;",
        "almost every row has a value of its own",
        "it has the same value everywhere",
        "outliers: values from",
        "3 of 8 columns are in no feature of the config: key, constant, income",
    ):
        assert words in page


def test_targets_may_be_named_without_a_config(tmp_path, data):
    schema, _, page = run(tmp_path, data, targets=["rich"])
    assert [column.name for column in schema.columns if column.role == "output"] == ["rich"]
    assert "What each column alone says about it" in page


def test_the_profile_is_one_file_without_script_and_escapes_the_data(tmp_path):
    nasty = "<script>alert(1)</script>"
    path = tmp_path / "nasty.csv"
    path.write_text(f'"{nasty}",y\n' + f'"{nasty}",a\n"&b;",b\n' * 50)
    _, _, page = run(tmp_path, path, targets=["y"])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=[\"']?(https?:|//)|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page


def test_the_same_data_give_the_same_bytes(tmp_path, data):
    first = run(tmp_path, data, canonical_json(CONFIG))
    assert run(tmp_path, data, canonical_json(CONFIG)) == first


def test_two_thousand_columns_stay_usable(tmp_path):
    generator = random.Random(0)
    path = tmp_path / "wide.csv"
    names = [f"feature {number}" for number in range(2000)]
    lines = [",".join([*names, "y"])]
    lines += [",".join([*(f"{generator.random():.4f}" for _ in names), generator.choice("ab")]) for _ in range(60)]
    path.write_text("\n".join(lines))
    schema, _, page = run(tmp_path, path, targets=["y"])
    assert len(schema.columns) == 2001
    assert len(page) < 2_000_000
    assert "more columns have no card" in page


def test_columns_that_the_config_names_and_the_data_lack_are_all_named(tmp_path, data):
    features = [{"name": "aeg", "type": "number"}, {"name": "nothing", "type": "category"}]
    config = canonical_json(load_config(CONFIG | {"input_features": features}).document)
    with pytest.raises(DataError) as error:
        run(tmp_path, data, config)
    assert "did you mean 'age'?" in str(error.value)
    assert "'nothing'" in str(error.value)


def test_data_without_rows_is_a_data_error_and_writes_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n")
    with pytest.raises(DataError, match="no rows"):
        run(tmp_path, path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["x,y\n1,a\n", "x,y\n,\n", "x,y\ninf,a\n1,b\n", "x\n" + "1\n" * 30], ids=["one row", "empty", "inf", "one"]
)
def test_small_and_odd_data_have_a_profile(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    _, _, page = run(tmp_path, path)
    assert "Data profile" in page
