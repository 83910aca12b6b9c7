"""Preprocessing by many tasks gives the bytes of preprocessing in one process."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from ostinato.dataset import DataFolder
from ostinato.errors import ConfigError, DataError
from ostinato.load import canonical_json, from_json
from ostinato_components.preprocess import run
from ostinato_components.preprocess.fan_out import (
    analyze_part,
    collect_shares,
    encode_share,
    merge_parts,
    plan_parts,
)

ROWS = 3000
SHARD_ROWS = 500


def table(rows=ROWS):
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "One, two", "ÄÖ", 'a "b"'])
    missing = rng.random(rows) < 0.2
    x = rng.normal(5, 2, rows)
    x[::97] = 1000.0
    return pa.table(
        {
            "x": pa.array(x, mask=missing),
            "far": pa.array(rng.normal(size=rows), mask=np.arange(rows) // 400 % 2 == 1),
            "c": pa.array(rng.choice(["a", "b", "c"], rows), mask=rng.random(rows) < 0.1),
            "d": rng.choice(["c", "d"], rows),
            "t": [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(rows)],
            "when": rng.integers(0, 10_000, rows),
            "part": rng.choice(["train", "train", "train", "val", "test"], rows),
            "some": rng.choice(["train", "train", "test"], rows),
            "y": pa.array(rng.choice(["yes", "no"], rows, p=[0.2, 0.8]), mask=rng.random(rows) < 0.05),
        }
    )


def number(name, **preprocessing):
    return {"name": name, "type": "number", "preprocessing": preprocessing}


def config(inputs=None, **preprocessing):
    inputs = inputs or [
        number("x"),
        {"name": "c", "type": "category"},
        {"name": "d", "type": "category", "tied": "c"},
        {"name": "t", "type": "text"},
    ]
    return canonical_json(
        {
            "input_features": inputs,
            "output_features": [{"name": "y", "type": "binary"}],
            "preprocessing": preprocessing,
        }
    )


CASES = {
    "random": config(),
    "stratify": config(split={"type": "stratify", "column": "c"}),
    "hash": config(split={"type": "hash", "column": "t"}),
    "datetime": config(split={"type": "datetime", "column": "when"}),
    "fixed": config(split={"type": "fixed", "column": "part"}),
    "fixed without validation": config(split={"type": "fixed", "column": "some"}),
    "sample_ratio": config(sample_ratio=0.5, split={"type": "stratify", "column": "y"}),
    "sample_size": config(sample_size=1234),
    "oversample": config(oversample_minority=0.9),
    "undersample": config(undersample_majority=0.9),
    "dropped": config([
        number("x", missing_value_strategy="drop_row", outlier_strategy="drop_row"),
        {"name": "c", "type": "category", "preprocessing": {"missing_value_strategy": "drop_row"}},
    ], oversample_minority=0.5),
    "ffill": config([number("far", missing_value_strategy="ffill"), number("x", outlier_strategy="bfill")]),
    "bfill": config([
        number("far", missing_value_strategy="bfill"),
        {"name": "c", "type": "category", "preprocessing": {"missing_value_strategy": "ffill"}},
        {"name": "t", "type": "text", "preprocessing": {"missing_value_strategy": "bfill"}},
    ]),
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    pyarrow.csv.write_csv(table(), folder / "data.csv")
    pyarrow.parquet.write_table(table(), folder / "data.parquet", row_group_size=333)
    rows = table().to_pylist()
    (folder / "data.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    (folder / "files").mkdir()
    for part, start in enumerate(range(0, ROWS, 700)):
        pyarrow.csv.write_csv(table().slice(start, 700), folder / "files" / f"{part}.csv")
    return folder


def planned(source, config, store, tasks):
    return plan_parts(str(source), config, str(store), tasks, shard_rows=SHARD_ROWS)


def fanned_out(source, config, store, folder, tasks=4):
    parts = planned(source, config, store, tasks)
    merged = merge_parts([analyze_part(part) for part in parts])
    collect_shares([encode_share(part, merged) for part in reversed(parts)][::-1], str(folder))
    return parts


def content(folder):
    """Everything in a data folder but where it lies: JSON, and the bytes of every shard."""
    data = DataFolder(folder)
    manifest = data.manifest.model_dump(mode="json")
    shards = {}
    for split, found in manifest["splits"].items():
        for shard in found:
            path = shard["path"].removeprefix("file://") if "://" in shard["path"] else f"{folder}/{shard['path']}"
            shard["path"] = path.rpartition("/")[2]
            with open(path, "rb") as file:
                shards[split, shard["path"]] = file.read()
    statistics = (folder / "preprocessing_statistics.json").read_text()
    return manifest, data.metadata, json.loads(statistics), shards


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_the_bytes_are_those_of_one_process(sources, tmp_path, case, name):
    run(str(sources / name), from_json(CASES[case]), str(tmp_path / "one"), shard_rows=SHARD_ROWS)
    parts = fanned_out(sources / name, CASES[case], tmp_path / "store", tmp_path / "many")
    assert len(parts) == 4
    assert content(tmp_path / "many") == content(tmp_path / "one")


@pytest.mark.parametrize("case", ["random", "stratify", "datetime"])
@pytest.mark.parametrize("name", ["data.jsonl", "files"])
def test_json_lines_and_several_files_can_be_shared_too(sources, tmp_path, case, name):
    run(str(sources / name), from_json(CASES[case]), str(tmp_path / "one"), shard_rows=SHARD_ROWS)
    assert len(fanned_out(sources / name, CASES[case], tmp_path / "store", tmp_path / "many")) == 4
    assert content(tmp_path / "many") == content(tmp_path / "one")


@pytest.mark.parametrize("tasks", [1, 2, 9, 50])
def test_the_number_of_tasks_makes_no_difference(sources, tmp_path, tasks):
    for folder, count in (("many", tasks), ("four", 4)):
        fanned_out(sources / "data.csv", CASES["stratify"], tmp_path / f"store {count}", tmp_path / folder, count)
    assert content(tmp_path / "many") == content(tmp_path / "four")


def test_few_rows_have_fewer_parts_than_there_are_tasks(tmp_path):
    (tmp_path / "data.csv").write_text("x,y\n1,yes\n2,no\n3,yes\n4,no\n")
    parts = fanned_out(tmp_path / "data.csv", config([number("x")]), tmp_path / "store", tmp_path / "data", tasks=20)
    assert 1 <= len(parts) <= 4
    assert sum(DataFolder(tmp_path / "data").manifest.rows(split) for split in ("training", "test")) <= 4


def test_data_and_storage_may_be_in_a_bucket(s3, sources, tmp_path):
    s3.put_file(str(sources / "data.csv"), "warehouse/data.csv")
    run("s3://warehouse/data.csv", from_json(CASES["bfill"]), str(tmp_path / "one"), shard_rows=SHARD_ROWS)
    fanned_out("s3://warehouse/data.csv", CASES["bfill"], "s3://warehouse/store", tmp_path / "many")
    one, many = DataFolder(tmp_path / "one"), DataFolder(tmp_path / "many")
    assert [shard.sha256 for shard in one.manifest.splits["training"]] == [
        shard.sha256 for shard in many.manifest.splits["training"]
    ]
    assert many.manifest.splits["training"][0].path.startswith("s3://warehouse/store/data/")
    assert (one.read("training")["far"] == many.read("training")["far"]).all()
    assert not s3.glob("warehouse/store/work/*/*.arrow")


def test_what_is_there_is_not_made_again(sources, tmp_path):
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "first")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store/data").rglob("*")}
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "second")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store/data").rglob("*")} == before
    assert not list((tmp_path / "store/work").rglob("*.arrow"))
    assert content(tmp_path / "second") == content(tmp_path / "first")


def test_one_process_finds_what_tasks_have_made(sources, tmp_path, caplog):
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "many")
    with caplog.at_level("INFO", "ostinato"):
        run(
            str(sources / "data.csv"),
            from_json(CASES["random"]),
            str(tmp_path / "one"),
            shard_rows=SHARD_ROWS,
            storage=str(tmp_path / "store"),
        )
    assert "the encoded rows are there already" in caplog.text
    assert content(tmp_path / "one") == content(tmp_path / "many")


def test_rows_between_the_passes_that_were_lost_are_made_again(sources, tmp_path):
    run(str(sources / "data.csv"), from_json(CASES["ffill"]), str(tmp_path / "one"), shard_rows=SHARD_ROWS)
    parts = planned(sources / "data.csv", CASES["ffill"], tmp_path / "store", 4)
    merged = merge_parts([analyze_part(part) for part in parts])
    for path in (tmp_path / "store/work").rglob("part-00002-*.arrow"):
        path.unlink()
    collect_shares([encode_share(part, merged) for part in parts], str(tmp_path / "many"))
    assert content(tmp_path / "many") == content(tmp_path / "one")


def test_a_run_that_is_overtaken_by_another_of_the_same_ends_right(sources, tmp_path):
    parts = planned(sources / "data.csv", CASES["random"], tmp_path / "store", 4)
    merged = merge_parts([analyze_part(part) for part in parts])
    encode_share(parts[0], merged)
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "second")
    collect_shares([encode_share(part, merged) for part in parts[1:]], str(tmp_path / "first"))
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_a_shard_that_was_lost_is_made_again(sources, tmp_path):
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "first")
    before = content(tmp_path / "first")
    next((tmp_path / "store/data").rglob("training-00001.parquet")).unlink()
    fanned_out(sources / "data.csv", CASES["random"], tmp_path / "store", tmp_path / "second")
    assert content(tmp_path / "second") == before


def test_without_a_storage_tasks_can_not_meet(sources):
    with pytest.raises(ConfigError, match=r"backend\.storage: is empty"):
        plan_parts(str(sources / "data.csv"), CASES["random"], "", 4)


def test_data_that_change_meanwhile_are_an_error(sources, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes((sources / "data.csv").read_bytes())
    parts = planned(path, CASES["random"], tmp_path / "store", 4)
    merged = merge_parts([analyze_part(part) for part in parts])
    path.write_bytes(path.read_bytes().replace(b"One", b"Two"))
    with pytest.raises(DataError, match=r"data\.csv: has changed while it was read"):
        collect_shares([encode_share(part, merged) for part in parts], str(tmp_path / "many"))
    assert not list((tmp_path / "store/data").rglob("manifest.json"))


def test_what_is_wrong_with_the_values_of_several_parts_is_said_once(tmp_path):
    (tmp_path / "data.csv").write_text("x,y\n" + "1,yes\nabc,no\n" * 500)
    parts = planned(tmp_path / "data.csv", config([number("x")]), tmp_path / "store", 4)
    assert len(parts) == 4
    with pytest.raises(DataError, match=r"x: 500 of 1,000 values are no numbers: 'abc', 'abc', 'abc', 'abc', 'abc'\n"):
        merge_parts([analyze_part(part) for part in parts])
