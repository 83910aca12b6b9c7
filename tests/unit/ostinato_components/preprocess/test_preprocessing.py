import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from ostinato.artifacts import MANIFEST
from ostinato.config import Config
from ostinato.dataset import DataFolder
from ostinato.errors import ConfigError, DataError
from ostinato_components.preprocess import run
from ostinato_components.preprocess.digests import config_digest

ROWS = 1000


def config(inputs=None, outputs=None, **preprocessing):
    return Config.model_validate(
        {
            "input_features": inputs
            or [{"name": "x", "type": "number"}, {"name": "c", "type": "category"}, {"name": "t", "type": "text"}],
            "output_features": outputs or [{"name": "y", "type": "binary"}],
            **({"preprocessing": preprocessing} if preprocessing else {}),
        }
    )


def table(rows=ROWS, **columns):
    rng = np.random.default_rng(0)
    made = {
        "x": rng.normal(5, 2, rows),
        "c": rng.choice(["a", "b", "c"], rows).tolist(),
        "t": [f"word{i % 7} and more" for i in range(rows)],
        "y": rng.choice(["yes", "no"], rows).tolist(),
    }
    return pa.table({**made, **columns})


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_data_folder_holds_encoded_rows_of_each_split(tmp_path):
    manifest = run(table(), config(), str(tmp_path / "data"))
    data = DataFolder(tmp_path / "data")
    assert data.manifest == manifest
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [700, 100, 200]
    rows = data.read("training")
    assert {name: (values.shape, values.dtype.name) for name, values in rows.items()} == {
        "x": ((700,), "float32"),
        "c": ((700,), "int32"),
        "t": ((700, 3), "int32"),
        "y": ((700,), "float32"),
    }
    assert rows["x"].mean() == pytest.approx(0, abs=1e-5)
    assert rows["x"].std() == pytest.approx(1, abs=1e-5)
    assert set(rows["y"]) == {0.0, 1.0}


def test_the_same_data_config_and_seed_give_the_same_bytes(tmp_path):
    data = table(70_000)
    csv = tmp_path / "data.csv"
    pyarrow.csv.write_csv(data, csv)
    pyarrow.parquet.write_table(data, tmp_path / "small.parquet", row_group_size=999)
    pyarrow.parquet.write_table(data, tmp_path / "large.parquet", row_group_size=50_000)
    folders = []
    for number, source in enumerate((csv, csv, tmp_path / "small.parquet", tmp_path / "large.parquet")):
        run(str(source), config(), str(tmp_path / f"out{number}"), shard_rows=10_000)
        folders.append(contents(tmp_path / f"out{number}"))
    assert folders[0] == folders[1]
    assert len(folders[0]) == 3 + 5 + 1 + 2
    for other in folders[2:]:  # another file, the same rows
        assert other.keys() == folders[0].keys()
        assert all(other[name] == folders[0][name] for name in other if name != MANIFEST)


def test_another_seed_gives_another_split(tmp_path):
    run(table(), config(), str(tmp_path / "a"), seed=1)
    run(table(), config(), str(tmp_path / "b"), seed=2)
    assert contents(tmp_path / "a")["test-00000.parquet"] != contents(tmp_path / "b")["test-00000.parquet"]


def test_statistics_are_those_of_training_rows_only(tmp_path):
    data = table(
        100,
        split=[0] * 60 + [1] * 20 + [2] * 20,
        x=[1.0, 3.0] * 30 + [1000.0] * 40,
        c=["a", "b"] * 30 + ["only in test"] * 40,
    )
    run(data, config(split={"type": "fixed"}), str(tmp_path))
    folder = DataFolder(tmp_path)
    assert folder.metadata["x"]["mean"] == 2.0
    assert folder.metadata["c"]["vocabulary"] == ["a", "b"]
    assert set(folder.read("test", ["c"])["c"]) == {0}


def test_a_column_named_split_is_used_where_the_config_says_nothing(tmp_path):
    data = table(100, split=[0] * 60 + [1] * 20 + [2] * 20)
    manifest = run(data, config(), str(tmp_path / "a"))
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [60, 20, 20]
    assert "the column 'split' of the data tells which rows train, validate and test" in manifest.warnings
    manifest = run(data, config(split={"type": "random"}), str(tmp_path / "b"))
    assert manifest.rows("training") == 70


def test_without_validation_rows_a_share_of_the_training_rows_validates(tmp_path):
    data = table(100, split=[0] * 80 + [2] * 20, x=list(range(100)))
    manifest = run(data, config(), str(tmp_path))
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [68, 12, 20]
    assert any("15% of the training rows (12) were set aside" in warning for warning in manifest.warnings)
    assert DataFolder(tmp_path).metadata["x"]["count"] == 68


def test_with_validation_rows_all_training_rows_train(tmp_path):
    run(table(100, split=[0] * 79 + [1] + [2] * 20), config(), str(tmp_path))
    assert DataFolder(tmp_path).manifest.rows("training") == 79
    assert DataFolder(tmp_path).metadata["x"]["count"] == 79


def test_ready_made_sets_are_taken_as_they_are(tmp_path):
    csv = tmp_path / "test.csv"
    pyarrow.csv.write_csv(table(30), csv)
    manifest = run(
        None,
        config(),
        str(tmp_path / "out"),
        training_set=table(50),
        validation_set=table(20).to_pandas(),
        test_set=str(csv),
    )
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [50, 20, 30]
    manifest = run(None, config(), str(tmp_path / "out"), training_set=table(50))
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [43, 7, 0]


def test_a_dataset_and_ready_made_sets_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match="comes with ready-made sets as well"):
        run(table(), config(), str(tmp_path), test_set=table())
    with pytest.raises(ConfigError, match="dataset: is missing"):
        run(None, config(), str(tmp_path), test_set=table())


def test_rows_without_a_target_are_dropped_and_counted(tmp_path):
    target = ["yes", "no", None, "yes"] * 25
    manifest = run(table(100, y=target), config(), str(tmp_path))
    assert manifest.dropped_rows == {"missing target in y": 25}
    assert sum(manifest.rows(split) for split in manifest.splits) == 75
    assert "25 of 100 rows were left out: missing target in y" in manifest.warnings


def test_no_row_left_is_an_error_that_says_why(tmp_path):
    with pytest.raises(DataError, match="no training rows: 10 rows were read, left out: missing target in y: 10"):
        run(table(10, y=pa.nulls(10, pa.string())), config(), str(tmp_path / "out"))
    assert not list((tmp_path / "out").iterdir())


def test_a_header_alone_is_an_error(tmp_path):
    csv = tmp_path / "data.csv"
    csv.write_text("x,c,t,y\n")
    with pytest.raises(DataError):
        run(str(csv), config(), str(tmp_path / "out"))


def test_every_column_that_cant_be_learned_is_named(tmp_path):
    outputs = [{"name": "y", "type": "binary"}, {"name": "c", "type": "category"}]
    data = table(50, y=["yes"] * 50, c=["a"] * 50)
    with pytest.raises(DataError) as caught:
        run(data, config([{"name": "x", "type": "number"}], outputs), str(tmp_path))
    assert [problem.where for problem in caught.value.problems] == ["y", "c"]


def test_text_in_a_number_column_is_an_error_above_the_limit(tmp_path):
    data = table(100, x=["abc"] * 5 + ["1.5"] * 95)
    with pytest.raises(DataError, match=r"x: 5 of 100 values are no numbers: 'abc', 'abc'"):
        run(data, config(), str(tmp_path))
    inputs = [{"name": "x", "type": "number", "preprocessing": {"max_unparsable": 0.05}}]
    manifest = run(data, config(inputs), str(tmp_path))
    assert manifest.unparsable["x"]["count"] == 5
    assert any("5 values are no numbers and count as missing" in warning for warning in manifest.warnings)


def test_text_late_in_a_number_column_of_a_csv_makes_no_difference(tmp_path):
    csv = tmp_path / "data.csv"
    csv.write_text("x,y\n" + "1.5,yes\n2,no\n" * 100_000 + "abc,yes\n")
    inputs = [{"name": "x", "type": "number"}]
    manifest = run(str(csv), config(inputs), str(tmp_path / "out"))
    assert manifest.unparsable["x"] == {"count": 1, "samples": ["abc"], "infinite": 0}
    assert sum(manifest.rows(split) for split in manifest.splits) == 200_001


def test_an_all_missing_input_warns(tmp_path):
    manifest = run(table(100, x=pa.nulls(100)), config(), str(tmp_path))
    assert "x: no numbers among the training rows; the column says nothing" in manifest.warnings


def test_unknown_targets_of_test_rows_stay_and_are_reported(tmp_path):
    data = table(100, split=[0] * 60 + [1] * 20 + [2] * 20, c=["a", "b"] * 30 + ["a"] * 20 + ["new"] * 20)
    manifest = run(data, config([{"name": "x", "type": "number"}], [{"name": "c", "type": "category"}]), str(tmp_path))
    assert set(DataFolder(tmp_path).read("test")["c"]) == {-1}
    assert "c: 20 test rows have a class that no training row has; they count as wrong" in manifest.warnings


@pytest.mark.parametrize(("strategy", "first", "second"), [("ffill", 1.0, 2.0), ("bfill", 2.0, 3.0)])
def test_neighbours_fill_gaps_across_batches(tmp_path, strategy, first, second):
    x = [1.0, *[None] * 70_000, 2.0, None, 3.0]
    inputs = [
        {
            "name": "x",
            "type": "number",
            "preprocessing": {"missing_value_strategy": strategy, "normalization": None},
        }
    ]
    data = pa.table({"x": x, "y": ["yes", "no"] * (len(x) // 2)})
    run(None, config(inputs), str(tmp_path), training_set=data, validation_set=data, test_set=data)
    filled = DataFolder(tmp_path).read("test", ["x"])["x"]
    assert set(filled[1:70_001]) == {first}
    assert filled[70_002] == second


def test_outliers_are_dropped_from_training_only(tmp_path):
    inputs = [{"name": "x", "type": "number", "preprocessing": {"outlier_strategy": "drop_row"}}]
    data = table(200, x=([0.0] * 99 + [100.0]) * 2, split=[0] * 100 + [2] * 100)
    manifest = run(data, config(inputs), str(tmp_path))
    assert manifest.rows("test") == 100
    total = sum(manifest.rows(split) for split in manifest.splits)
    assert total == 200 - manifest.dropped_rows.get("outlier in x (training rows)", 0)


def test_tied_inputs_share_their_vocabulary(tmp_path):
    inputs = [{"name": "c", "type": "category"}, {"name": "d", "type": "category", "tied": "c"}]
    run(table(100, d=["z"] * 50 + ["a"] * 50), config(inputs), str(tmp_path))
    metadata = DataFolder(tmp_path).metadata
    assert metadata["c"]["vocabulary"] == metadata["d"]["vocabulary"]
    assert set(metadata["c"]["vocabulary"]) == {"a", "b", "c", "z"}


@pytest.mark.parametrize(
    ("options", "rows"),
    [({"sample_ratio": 0.5}, 500), ({"sample_size": 123}, 123), ({"sample_size": 5000}, 1000)],
)
def test_a_sample_has_the_size_asked_for(tmp_path, options, rows):
    manifest = run(table(), config(**options), str(tmp_path))
    assert sum(manifest.rows(split) for split in manifest.splits) == rows
    assert manifest.dropped_rows.get("not in the sample", 0) == ROWS - rows


def test_classes_are_balanced_among_training_rows_only(tmp_path):
    data = table(y=["yes"] * 100 + ["no"] * 900)
    stratified = {"type": "stratify", "column": "y"}
    run(data, config(oversample_minority=0.5, split=stratified), str(tmp_path / "over"))
    target = DataFolder(tmp_path / "over").read("training", ["y"])["y"]
    assert (len(target), target.sum()) == (630 + 315, 315)
    run(data, config(undersample_majority=0.5, split=stratified), str(tmp_path / "under"))
    target = DataFolder(tmp_path / "under").read("training", ["y"])["y"]
    assert (len(target), target.sum()) == (70 + 141, 70)
    assert DataFolder(tmp_path / "under").manifest.rows("test") == 200


def test_balancing_needs_one_output_of_two_classes(tmp_path):
    outputs = [{"name": "x", "type": "number"}]
    with pytest.raises(ConfigError, match="needs exactly one output feature, and two classes of it"):
        run(table(), config([{"name": "c", "type": "category"}], outputs, oversample_minority=0.5), str(tmp_path))


def test_a_split_by_time_reads_the_times(tmp_path):
    times = [f"2020-01-{day:02}" for day in range(1, 26)] * 4
    data = table(100, x=[float(time[-2:]) for time in times], when=times)
    inputs = [{"name": "x", "type": "number", "preprocessing": {"normalization": None}}]
    run(data, config(inputs, split={"type": "datetime", "column": "when"}), str(tmp_path))
    folder = DataFolder(tmp_path)
    newest_training = folder.read("training")["x"].max()
    assert newest_training < folder.read("validation")["x"].min()
    assert folder.read("validation")["x"].max() < folder.read("test")["x"].min()
    assert folder.metadata["x"]["maximum"] == newest_training


def test_rows_without_a_time_are_dropped(tmp_path):
    data = table(100, when=[*range(90), *[None] * 10])
    manifest = run(data, config(split={"type": "datetime", "column": "when"}), str(tmp_path))
    assert manifest.dropped_rows == {"missing time in when": 10}


def test_odd_and_shared_column_names_work(tmp_path):
    names = ["a.b", "a", 'qu"ote', "ünï köde", " space "]
    data = table(100).append_column("y2", table(100)["y"])
    for name in names:
        data = data.append_column(name, pa.array(np.arange(100.0)))
    inputs = [{"name": name, "type": "number"} for name in names]
    inputs.append({"name": "again", "column": "a", "type": "category"})
    run(data, config(inputs), str(tmp_path))
    assert set(DataFolder(tmp_path).read("training")) == {*names, "again", "y"}


def test_a_missing_column_is_an_error(tmp_path):
    with pytest.raises(DataError, match="there is no column 'x'"):
        run(table().drop_columns(["x"]), config(), str(tmp_path))


def test_a_run_replaces_what_an_earlier_one_left(tmp_path):
    run(table(), config(), str(tmp_path), shard_rows=100)
    assert len(list(tmp_path.glob("training-*.parquet"))) == 7
    manifest = run(table(), config(), str(tmp_path))
    assert len(list(tmp_path.glob("training-*.parquet"))) == len(manifest.splits["training"]) == 1
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cant_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't be written"):
        run(table(), config(), str(tmp_path / "file" / "data"))


def test_statistics_for_a_report_are_written(tmp_path):
    run(table(100, x=[None, *range(99)]), config(), str(tmp_path))
    statistics = json.loads((tmp_path / "preprocessing_statistics.json").read_text())
    assert statistics["training"]["rows"] == 70
    assert sum(statistics[split]["missing"]["x"] for split in statistics) == 1


def test_the_config_digest_changes_with_what_preprocessing_reads_only():
    one = config()
    assert config_digest(one, 42) == config_digest(one.model_copy(update={"combiner": None}), 42)
    assert config_digest(one, 42) != config_digest(one, 43)
    assert config_digest(one, 42) != config_digest(config(sample_ratio=0.5), 42)


def test_tables_in_memory_of_any_kind_are_read(tmp_path):
    data = table(100)
    for number, source in enumerate((data.to_pandas(), data.to_pydict(), data.to_pylist())):
        run(source, config(), str(tmp_path / str(number)))
    shards = [(tmp_path / str(number) / "training-00000.parquet").read_bytes() for number in range(3)]
    assert shards[0] == shards[1] == shards[2]


def test_a_data_folder_may_be_a_uri(tmp_path):
    run(table(), config(), str(tmp_path))
    run(table(), config(), "memory://bucket/data")
    remote = DataFolder("memory://bucket/data")
    assert remote.manifest == DataFolder(tmp_path).manifest
    assert np.array_equal(remote.read("test")["t"], DataFolder(tmp_path).read("test")["t"])


def test_a_folder_without_a_manifest_is_no_data_folder(tmp_path):
    run(table(), config(), str(tmp_path))
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(DataError, match="is no data folder"):
        DataFolder(tmp_path)


def test_reading_takes_the_columns_asked_for_row_group_by_row_group(tmp_path):
    run(table(), config(), str(tmp_path), shard_rows=300)
    folder = DataFolder(tmp_path)
    parts = list(folder.iter("training", ["y", "x"]))
    assert [len(part["x"]) for part in parts] == [300, 300, 100]
    assert np.array_equal(np.concatenate([part["x"] for part in parts]), folder.read("training")["x"])
    with pytest.raises(DataError, match="z: is not among the columns"):
        folder.read("training", ["z"])


def test_a_split_without_rows_reads_as_empty_arrays(tmp_path):
    run(table(), config(split={"type": "random", "probabilities": [0.8, 0.2, 0.0]}), str(tmp_path))
    rows = DataFolder(tmp_path).read("test")
    assert (rows["x"].shape, rows["t"].shape) == ((0,), (0, 3))
