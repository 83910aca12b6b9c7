"""Contracts of small tables: made, written, read, compared with other tables."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ostinato.contract.data import MOST_CATEGORIES, compare, describe
from ostinato.contract.drift import drift
from ostinato.contract.file import differences, from_yaml, read_statistics, to_json, to_yaml, with_checks_of
from ostinato.contract.spec import ChecksSpec
from ostinato.errors import ConfigError, DataError
from ostinato.load import canonical_json, load_config
from ostinato_components import infer_schema

CONFIG = {
    "input_features": [{"name": "age", "type": "number"}, {"name": "job", "type": "category"}],
    "output_features": [{"name": "rich", "type": "binary"}],
}
ROWS = 2000
GENERATOR = np.random.default_rng(0)
TABLE = {
    "age": GENERATOR.normal(40, 10, ROWS),
    "job": GENERATOR.choice(["cook", "clerk", "nurse"], ROWS, p=[0.5, 0.3, 0.2]),
    "rich": GENERATOR.choice(["yes", "no"], ROWS, p=[0.3, 0.7]),
    "note": np.array([f"note {number}" for number in range(ROWS)]),
}


@pytest.fixture
def statistics(tmp_path):
    """Call it with a table: what infer_schema finds of it."""

    def of(table, config=CONFIG):
        path = tmp_path / "data.parquet"
        pq.write_table(pa.table(table), path)
        text = canonical_json(load_config(config).document) if config else ""
        outputs = [str(tmp_path / name) for name in ("schema.json", "statistics.json", "profile.html")]
        infer_schema.run(str(path), text, *outputs)
        return read_statistics(str(tmp_path))

    return of


def found(contract, statistics, **checks):
    """(check, column, severity) of every finding."""
    spec = ChecksSpec.model_validate(checks)
    return [(one.check, one.column, one.severity) for one in compare(contract, statistics, spec)]


def changed(**columns):
    return {**TABLE, **columns}


def test_the_same_data_are_as_their_contract_says(statistics):
    same = statistics(TABLE)
    assert found(describe(same), same) == []


def test_another_sample_of_the_same_distribution_is_accepted(statistics):
    contract = describe(statistics(TABLE))
    generator = np.random.default_rng(1)
    for rows in (60, 500):
        sample = {name: generator.choice(values, rows) for name, values in TABLE.items()}
        assert found(contract, statistics(sample), rows={"warning": None}) == []


def test_a_contract_survives_its_file(statistics):
    contract = describe(statistics(TABLE))
    text = to_yaml(contract)
    again = from_yaml(text, "contract.yaml")
    assert to_yaml(again) == text
    assert from_yaml(to_json(contract), "contract") == again == contract
    plain = yaml.safe_load(text)
    assert [column["name"] for column in plain["columns"]] == list(TABLE)
    assert plain["columns"][1]["categories"].keys() == {"cook", "clerk", "nurse"}
    assert "categories" not in plain["columns"][3], "names of single rows are no categories"


def test_names_that_yaml_takes_for_something_else_survive(statistics):
    jobs = np.array(["no", "1", "null", "{{$.x}}", "a: b"])[np.arange(ROWS) % 5]
    contract = describe(statistics(changed(job=jobs)))
    assert from_yaml(to_yaml(contract), "file") == contract
    assert set(contract.columns[1].categories) == set(jobs)


def test_bins_are_tenths(statistics):
    bins = describe(statistics(TABLE)).columns[0].bins
    assert len(bins.edges) == 9
    assert bins.edges == tuple(
        pytest.approx(edge, abs=0.02) for edge in np.quantile(TABLE["age"], np.arange(1, 10) / 10)
    )
    assert bins.shares == (pytest.approx(0.1, abs=0.001),) * 10


def test_shares_of_numbers_are_those_that_one_counts(statistics):
    contract = describe(statistics(TABLE))
    ages = np.random.default_rng(2).normal(50, 15, 3000)
    column = contract.columns[0]
    edges = np.concatenate([[-np.inf], column.bins.edges, [np.inf]])
    shares = np.histogram(ages, edges)[0] / len(ages)
    seen = drift(
        contract, column, statistics({**dict.fromkeys(TABLE, ["yes"] * 2999 + ["no"]), "age": ages})["columns"]["age"]
    )
    np.testing.assert_allclose(seen.found, shares, atol=0.01)
    assert seen.psi == pytest.approx(((shares - 0.1) * np.log(shares / 0.1)).sum(), rel=0.05)


def test_few_whole_numbers_are_counted_as_they_are(statistics):
    stars = np.repeat([1, 2, 3, 4, 5], [100, 200, 400, 800, 500])
    column = describe(statistics(changed(age=stars))).columns[0]
    assert column.bins.edges == (1, 2, 3, 4) or column.bins.edges == (2, 3, 4)
    below = [(stars <= edge).mean() for edge in column.bins.edges]
    np.testing.assert_allclose(column.bins.shares, np.diff([0, *below, 1]), atol=0.011)


def test_measures_by_hand(statistics):
    contract = describe(statistics(changed(job=np.repeat(["a", "b"], ROWS // 2))))
    now = statistics(changed(job=np.repeat(["a", "b"], [1500, 500])))["columns"]["job"]
    seen = drift(contract, contract.columns[1], now)
    assert seen.psi == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5), rel=1e-2)
    middle = np.array([0.625, 0.375])
    both = [0.5 * np.log2(0.5 / middle).sum(), (np.array([0.75, 0.25]) * np.log2([0.75 / 0.625, 0.25 / 0.375])).sum()]
    assert seen.jensen_shannon == pytest.approx(sum(both) / 2, rel=1e-2)


MISSING = np.where(np.arange(ROWS) % 4 == 0, None, TABLE["job"])
CASES = {
    "missing column": ({name: TABLE[name] for name in ("age", "job", "rich")}, ("missing_columns", "note", "error")),
    "new column": (changed(more=TABLE["age"]), ("new_columns", "more", "warning")),
    "missing values": (changed(job=MISSING), ("missing_values", "job", "error")),
    "unseen values": (
        changed(job=np.where(np.arange(ROWS) % 20, TABLE["job"], "pilot")),
        ("unseen_values", "job", "warning"),
    ),
    "many unseen values": (
        changed(job=np.where(np.arange(ROWS) % 5, TABLE["job"], "pilot")),
        ("unseen_values", "job", "error"),
    ),
    "range": (changed(age=np.where(np.arange(ROWS) == 7, 400.0, TABLE["age"])), ("range", "age", "warning")),
    "drift of a number": (changed(age=TABLE["age"] + 8), ("psi", "age", "error")),
    "drift of a category": (
        changed(job=GENERATOR.choice(["cook", "clerk", "nurse"], ROWS, p=[0.2, 0.3, 0.5])),
        ("psi", "job", "error"),
    ),
    "label shift": (
        changed(rich=GENERATOR.choice(["yes", "no"], ROWS, p=[0.6, 0.4])),
        ("label_shift", "rich", "error"),
    ),
    "rows": ({name: values[:500] for name, values in TABLE.items()}, ("rows", "", "warning")),
    "another type": (changed(note=np.arange(ROWS) % 2 == 0), None),
}


@pytest.mark.parametrize(("table", "expected"), CASES.values(), ids=CASES)
def test_what_is_otherwise_is_found(statistics, table, expected):
    findings = found(describe(statistics(TABLE)), statistics(table))
    assert expected in findings if expected else findings == []


def test_text_among_numbers_is_another_type(statistics):
    contract = describe(statistics(TABLE))
    mixed = np.where(np.arange(ROWS) % 3 == 0, "old", TABLE["age"].astype(str))
    assert found(
        contract, statistics(changed(age=mixed), {**CONFIG, "input_features": [CONFIG["input_features"][1]]})
    ) == [("type", "age", "error")]


def test_all_findings_come_at_once_errors_first(statistics):
    table = changed(age=TABLE["age"] * 3, job=MISSING, more=TABLE["age"])
    findings = found(describe(statistics(TABLE)), statistics(table))
    assert {column for _, column, _ in findings} == {"age", "job", "more"}
    severities = [severity for _, _, severity in findings]
    assert severities == sorted(severities)


def test_what_chance_gives_to_few_rows_is_no_drift(statistics):
    contract = describe(statistics(TABLE))
    few = {name: values[:25] for name, values in TABLE.items()}
    column = contract.columns[0]
    seen = drift(contract, column, statistics(few)["columns"]["age"])
    assert seen.psi > 0.1, "a rule of thumb would call it drift"
    assert not [one for one in found(contract, statistics(few)) if one[0] == "psi"]


def test_severities_and_limits_are_the_configs(statistics):
    contract, now = describe(statistics(TABLE)), statistics(changed(more=TABLE["age"], age=TABLE["age"] + 8))
    assert ("new_columns", "more", "error") in found(contract, now, new_columns="error")
    off = {"warning": None, "error": None}
    assert found(contract, now, new_columns="ignore", psi=off, range=off) == []
    assert ("jensen_shannon", "age", "error") in found(contract, now, jensen_shannon={"error": 0.01})
    assert ("psi", "age", "warning") in found(contract, now, psi={"warning": 0.1})


def test_a_column_has_checks_of_its_own_which_accepting_keeps(statistics):
    now = statistics(changed(age=TABLE["age"] + 8))
    text = to_yaml(describe(statistics(TABLE))).replace(
        "- name: age\n", "- name: age\n  checks: {psi: {warning: 0.1}}\n"
    )
    contract = from_yaml(text, "file")
    assert ("psi", "age", "warning") in found(contract, now)
    accepted = with_checks_of(describe(now), contract)
    assert found(accepted, now) == []
    assert "psi" in to_yaml(accepted)


def test_of_many_categories_the_others_count_only_as_far_as_they_have_grown(statistics):
    many = np.array([f"c{number % 120}" for number in range(ROWS * 3)])
    rest = {name: np.resize(values, ROWS * 3) for name, values in TABLE.items()}
    contract = describe(statistics({**rest, "job": many}))
    assert len(contract.columns[1].categories) == MOST_CATEGORIES
    assert found(contract, statistics({**rest, "job": np.roll(many, 7)})) == []
    new = np.where(np.arange(len(many)) % 4 == 0, "unheard of", many)
    assert ("unseen_values", "job", "error") in found(contract, statistics({**rest, "job": new}))


@pytest.mark.parametrize("rows", [ROWS, 3 * ROWS], ids=["counted", "too many to be counted"])
def test_names_of_rows_in_the_place_of_categories_are_unseen(statistics, rows):
    contract = describe(statistics(TABLE))
    table = {name: np.resize(values, rows) for name, values in TABLE.items()}
    names = np.array([f"name {number}" for number in range(rows)])
    assert ("unseen_values", "job", "error") in found(contract, statistics({**table, "job": names}))


def test_a_diff_tells_every_change(statistics):
    old = describe(statistics(TABLE))
    table = changed(job=np.where(TABLE["job"] == "cook", "chef", TABLE["job"]), more=TABLE["age"])
    del table["note"]
    lines = list(differences(old, describe(statistics(table))))
    assert "- note: category" in lines
    assert "+ more: number" in lines
    assert any(line.startswith("+ job: categories.chef:") for line in lines)
    assert any(line.startswith("- job: categories.cook:") for line in lines)
    assert list(differences(old, old)) == []


def test_a_wrong_contract_is_told_with_its_lines():
    text = (
        "rows: 3\ncolumns:\n- {name: a, type: number, values: numbr, missing: 2}\n- {name: b, typ: text, missing: 0}\n"
    )
    with pytest.raises(ConfigError) as caught:
        from_yaml(text, "contract.yaml")
    message = str(caught.value)
    assert len(caught.value.problems) == 5
    assert "contract.yaml:3:" in message
    assert "'number'" in message
    assert "contract.yaml:4:" in message


@pytest.mark.parametrize("text", ["", "- 1\n", "rows: 3\ncolumns: []\n", "{", "rows: 1\ncolumns: [1]\n"])
def test_what_is_no_contract_is_a_config_error(text):
    with pytest.raises(ConfigError):
        from_yaml(text, "contract.yaml")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"source": "x", "rows": 1, "columns": {"a": {}}}'])
def test_what_are_no_statistics_is_a_data_error(tmp_path, content):
    (tmp_path / "statistics.json").write_text(content)
    with pytest.raises(DataError, match="no statistics"):
        read_statistics(str(tmp_path))


def test_columns_without_values_are_compared_as_far_as_can_be(statistics):
    empty = statistics(changed(note=np.array([None] * ROWS)))
    contract = describe(empty)
    assert contract.columns[3].values == "none"
    assert found(contract, empty) == []
    assert json.loads(to_json(contract))["columns"][3]["missing"] == 1
