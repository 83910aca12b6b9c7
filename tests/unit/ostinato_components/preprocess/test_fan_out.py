"""Preprocessing by many tasks gives the bytes of preprocessing in one process."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from ostinato.dataset import DataFolder
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
    merge_parts([analyze_part(part) for part in parts])
    collect_shares([encode_share(part) for part in reversed(parts)][::-1], str(folder))
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
