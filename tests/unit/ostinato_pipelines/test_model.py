"""The Python API: `from ostinato import Model`."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ostinato import Model
from ostinato.errors import ConfigError, DataError

CONFIG = {
    "input_features": [{"name": "x", "type": "number"}, {"name": "c", "type": "category"}],
    "output_features": [{"name": "y", "type": "binary"}, {"name": "z", "type": "number"}],
    "trainer": {"epochs": 3, "batch_size": 32},
}


def frame(rows: int = 200) -> pd.DataFrame:
    generator = random.Random(0)
    x = [generator.gauss(0, 1) for _ in range(rows)]
    return pd.DataFrame(
        {
            "x": x,
            "c": [generator.choice("abc") for _ in x],
            "y": [value > 0 for value in x],
            "z": [100 * value + 1000 for value in x],
        }
    )


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    model = Model(CONFIG)
    return model, model.experiment(frame(), output_directory=str(folder))


def test_results_unpack_like_ludwigs(experiment, tmp_path):
    model, results = experiment
    eval_stats, train_stats, data, folder = results
    assert set(eval_stats) == {"y", "z", "combined"}
    assert train_stats["validation"]["y"]["loss"]
    assert Path(folder).name == "experiment_run"
    training, _, _, metadata = data
    assert training is None
    assert set(metadata) == {"x", "c", "y", "z"}
    predictions, _ = model.predict(frame(5))
    assert len(predictions) == 5


def test_the_folder_holds_the_files_that_ludwig_writes(experiment):
    _, results = experiment
    folder = Path(results.output_directory)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "description.json",
        "training_statistics.json",
        "test_statistics.json",
        "predictions.parquet",
        "y_predictions.csv",
        "y_predictions.npy",
        "y_probabilities.csv",
        "z_predictions.csv",
        "report.html",
        "model/model_hyperparameters.json",
        "model/model_weights.safetensors",
        "model/training_set_metadata.json",
        "model/training_progress.json",
    }
    description = json.loads((folder / "description.json").read_text())
    assert description["random_seed"] == 42
    assert description["config"]["trainer"]["epochs"] == 3


def test_prediction_files_hold_the_predictions(experiment):
    _, results = experiment
    folder = Path(results.output_directory)
    table = pq.read_table(folder / "predictions.parquet")
    numbers = table["z_predictions"].to_pylist()
    assert np.load(folder / "z_predictions.npy", allow_pickle=False) == pytest.approx(numbers)
    lines = (folder / "z_predictions.csv").read_text().splitlines()
    assert [float(line) for line in lines] == pytest.approx(numbers)
    both = np.loadtxt(folder / "y_probabilities.csv", delimiter=",")
    assert both.shape == (len(numbers), 2)
    assert both.sum(axis=1) == pytest.approx(np.ones(len(numbers)))


def test_a_second_run_gets_a_folder_of_its_own(tmp_path):
    model = Model(CONFIG)
    first = model.train(frame(60), output_directory=str(tmp_path))
    second = model.train(frame(60), output_directory=str(tmp_path))
    assert Path(first.output_directory).name == "api_experiment_run"
    assert Path(second.output_directory).name == "api_experiment_run_1"


@pytest.mark.parametrize("kind", ["path", "arrow", "dict", "rows"])
def test_data_come_in_many_forms(tmp_path, kind):
    table = frame(60)
    table.to_csv(tmp_path / "data.csv", index=False)
    data = {
        "path": str(tmp_path / "data.csv"),
        "arrow": pa.Table.from_pandas(table),
        "dict": table.to_dict("list"),
        "rows": table.to_dict("records"),
    }[kind]
    model = Model(CONFIG)
    model.train(data, output_directory=str(tmp_path / "results"))
    assert len(model.predict(data).predictions) == 60


def test_a_model_that_was_saved_predicts_the_same_after_loading(experiment, tmp_path):
    model, _ = experiment
    model.save(tmp_path / "saved")
    loaded = Model.load(tmp_path / "saved")
    expected = model.predict(frame(20), return_type="arrow").predictions
    assert loaded.predict(frame(20), return_type="arrow").predictions.equals(expected)
    assert loaded.config == model.config


def test_saving_over_something_else_is_refused(experiment, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no model folder"):
        experiment[0].save(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_prediction_needs_a_trained_model():
    with pytest.raises(ConfigError, match="not trained"):
        Model(CONFIG).predict(frame(3))


def test_ready_made_splits_are_taken_as_they_are(tmp_path):
    results = Model(CONFIG).train(
        training_set=frame(80), validation_set=frame(30), test_set=frame(20), output_directory=str(tmp_path)
    )
    manifest = results.preprocessed_data.manifest
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [80, 30, 20]


def test_evaluation_of_a_split_wants_the_data_of_training(experiment):
    model, results = experiment
    statistics, _, _ = model.evaluate(frame(), split="test")
    assert statistics["z"]["r2"] == pytest.approx(results.eval_stats["z"]["r2"], abs=1e-6)
    with pytest.raises(DataError, match="not the data"):
        model.evaluate(frame(50), split="test")


def test_a_split_that_a_column_told_is_known_to_the_model(tmp_path):
    table = frame().assign(split=[0] * 120 + [1] * 20 + [2] * 60)
    results = Model(CONFIG).experiment(table, output_directory=str(tmp_path))
    loaded = Model.load(Path(results.output_directory) / "model")
    assert loaded.config["preprocessing"]["split"] == {"type": "fixed", "column": "split"}
    statistics, predictions, _ = loaded.evaluate(table, split="test", collect_predictions=True)
    assert len(predictions) == 60
    assert statistics["z"]["r2"] == pytest.approx(results.eval_stats["z"]["r2"], abs=1e-6)


def test_evaluation_says_when_its_data_trained_the_model(experiment):
    model, _ = experiment
    assert any("used to train" in warning for warning in model.evaluate(frame()).warnings)
    assert not any("used to train" in warning for warning in model.evaluate(frame(50)).warnings)


def test_encoded_rows_are_there_where_they_were_kept(tmp_path):
    _, data, _ = Model(CONFIG).train(frame(100), output_directory=str(tmp_path), skip_save_processed_input=False)
    training, validation, test, _ = data
    assert training.num_rows + validation.num_rows + test.num_rows == 100
    assert set(training.column_names) == {"x", "c", "y", "z"}


def test_what_is_not_to_be_saved_is_not_saved(tmp_path):
    model = Model(CONFIG)
    results = model.experiment(
        frame(60),
        output_directory=str(tmp_path),
        skip_save_model=True,
        skip_save_training_description=True,
        skip_save_training_statistics=True,
        skip_save_predictions=True,
        skip_save_eval_stats=True,
    )
    assert {path.name for path in Path(results.output_directory).iterdir()} == {"report.html"}
    assert len(model.predict(frame(3)).predictions) == 3


def test_the_same_seed_gives_the_same_model(tmp_path):
    weights = []
    for name in ("first", "second"):
        results = Model(CONFIG).train(frame(100), output_directory=str(tmp_path / name))
        weights.append((Path(results.output_directory) / "model" / "model_weights.safetensors").read_bytes())
    assert weights[0] == weights[1]
