"""Predictions as files: by piece the same as at once, and whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ostinato import Model
from ostinato_pipelines.prediction_files import saved, write_predictions


def table(num_rows: int = 10) -> pa.Table:
    shares = np.linspace(0, 1, num_rows, dtype=np.float32)
    return pa.table(
        {
            "y_predictions": [["no", "perhaps, yes"][row % 2] for row in range(num_rows)],
            "y_probability": shares,
            "y_probabilities": pa.array(np.stack([1 - shares, shares], axis=1).tolist(), pa.list_(pa.float32())),
            "z_predictions": pa.array([row % 2 == 0 for row in range(num_rows)]),
        }
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".parquet"}


def test_pieces_give_the_same_files_as_the_whole(tmp_path):
    whole = table(200_000)
    write_predictions(whole, tmp_path / "whole", unprocessed=True)
    pieces = [whole.slice(0, 1), whole.slice(1, 99_999), whole.slice(100_000)]
    assert list(saved(pieces, tmp_path / "pieces", unprocessed=True)) == pieces
    assert content(tmp_path / "pieces") == content(tmp_path / "whole")
    assert pq.read_table(tmp_path / "pieces" / "predictions.parquet").equals(whole)


def test_a_csv_has_a_line_a_row_and_an_array_its_values(tmp_path):
    write_predictions(table(3), tmp_path, unprocessed=True)
    assert (tmp_path / "y_predictions.csv").read_text() == 'no\n"perhaps, yes"\nno\n'
    assert (tmp_path / "y_probabilities.csv").read_text() == "1,0\n0.5,0.5\n0,1\n"
    assert np.load(tmp_path / "y_predictions.npy").tolist() == ["no", "perhaps, yes", "no"]
    assert np.load(tmp_path / "y_probabilities.npy").tolist() == [[1, 0], [0.5, 0.5], [0, 1]]
    assert np.load(tmp_path / "z_predictions.npy").dtype == bool


def test_sets_are_a_line_each_with_spaces_between_their_symbols(tmp_path):
    lists = pa.array([["a", "b c"], [], ["a"]], pa.list_(pa.string()))
    write_predictions(pa.table({"s_predictions": lists}), tmp_path, unprocessed=True)
    assert (tmp_path / "s_predictions.csv").read_text() == "a b c\n\na\n"
    assert np.load(tmp_path / "s_predictions.npy").tolist() == ["a b c", "", "a"]
    assert pq.read_table(tmp_path / "predictions.parquet").column(0).to_pylist() == lists.to_pylist()


def test_no_rows_give_empty_files(tmp_path):
    write_predictions(table(1).slice(0, 0), tmp_path, unprocessed=True)
    assert pq.read_table(tmp_path / "predictions.parquet").num_rows == 0
    assert (tmp_path / "y_probabilities.csv").read_text() == ""
    assert len(np.load(tmp_path / "y_predictions.npy")) == 0


def test_columns_whose_names_become_equal_have_files_of_their_own(tmp_path):
    write_predictions(pa.table({"a/b": [1.0], "a_b": [2.0]}), tmp_path, unprocessed=False)
    assert [path.read_text() for path in sorted(tmp_path.glob("*.csv"))] == ["1\n", "2\n"]


def test_an_error_on_the_way_leaves_the_folder_as_it_was(tmp_path):
    write_predictions(table(3), tmp_path, unprocessed=True)
    before = content(tmp_path)

    def tables():
        yield table(70_000)
        yield table(70_000)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        list(saved(tables(), tmp_path, unprocessed=True))
    assert content(tmp_path) == before


def test_a_reader_that_goes_away_leaves_nothing(tmp_path):
    pieces = saved([table(3), table(3)], tmp_path, unprocessed=True)
    next(pieces)
    pieces.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder, and a file of half a million rows."""
    folder = tmp_path_factory.mktemp("trained")
    a = np.random.default_rng(0).normal(size=200).round(3)
    config = {
        "input_features": [{"name": "a", "type": "number"}],
        "output_features": [{"name": "y", "type": "category"}],
        "trainer": {"epochs": 1},
    }
    data = {"a": a, "y": [["low", "middle", "high"][int(value > -0.5) + int(value > 0.5)] for value in a]}
    Model(config).train(data, output_directory=str(folder))
    (folder / "rows.csv").write_text("a\n" + "".join(f"{value}\n" for value in np.resize(a, 500_000)))
    return folder / "api_experiment_run" / "model", folder / "rows.csv"


def start(trained: tuple[Path, Path], output: Path) -> subprocess.Popen[bytes]:
    """`ostinato predict`, once it has begun to write."""
    model, rows = trained
    command = [sys.executable, "-m", "ostinato_pipelines.cli", "predict", "-m", model, "-d", rows, "-od", output]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in output.glob(".predictions-*/*.csv")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_prediction_that_is_interrupted_leaves_nothing_and_ends_with_4(trained, tmp_path, number):
    process = start(trained, tmp_path)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 4
    assert error.decode().startswith("error: interrupted")
    assert os.listdir(tmp_path) == []


def test_a_prediction_that_is_killed_leaves_no_file_under_its_final_name(trained, tmp_path):
    process = start(trained, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert all(name.startswith(".predictions-") for name in os.listdir(tmp_path))


def test_the_size_of_a_batch_changes_predictions_by_rounding_only(trained, tmp_path):
    model, rows = trained
    results = [
        Model.load(model).predict(str(rows), batch_size=size, return_type="arrow").predictions
        for size in (None, 100_000, 333)
    ]
    first, *others = (result.column("y_probabilities_low").to_numpy() for result in results)
    for other in others:
        assert np.abs(first - other).max() < 1e-5
