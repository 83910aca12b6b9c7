"""Where Ostinato parts from Ludwig on purpose: one test a row of the table in docs/ludwig.md."""

import json
import logging
import random
from pathlib import Path

import pytest

from ostinato import Model
from ostinato.errors import ConfigError
from ostinato_pipelines.cli import main


def features(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def config(inputs: dict[str, str], outputs: dict[str, str], **rest: object) -> dict[str, object]:
    trainer = {"epochs": 2, "batch_size": 32}
    return {"input_features": features(**inputs), "output_features": features(**outputs), "trainer": trainer} | rest


def fixed(columns: dict[str, list[object]], test: int) -> dict[str, list[object]]:
    """The last rows test."""
    rows = len(next(iter(columns.values())))
    return columns | {"split": [0] * (rows - test) + [2] * test}


def metadata(tmp_path: Path, document: dict[str, object], data: object) -> dict[str, dict[str, object]]:
    return Model(document).preprocess(data, output_directory=str(tmp_path / "data")).training_set_metadata


def noise(rows: int, seed: int = 0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(0, 1) for _ in range(rows)]


def test_statistics_and_vocabularies_come_from_training_rows_only(tmp_path):
    x = noise(80) + [1000.0 + value for value in noise(20, seed=1)]
    data = fixed({"x": x, "c": ["a", "b"] * 40 + ["only in test"] * 20, "y": noise(100, seed=2)}, test=20)
    fitted = metadata(tmp_path, config({"x": "number", "c": "category"}, {"y": "number"}), data)
    assert abs(fitted["x"]["mean"]) < 1
    assert fitted["x"]["std"] < 2
    assert "only in test" not in json.dumps(fitted["c"])


def test_number_outputs_are_learned_and_measured_in_their_units(tmp_path):
    x = noise(300)
    data = {"x": x, "price": [100_000 + 20_000 * value for value in x]}
    document = config({"x": "number"}, {"price": "number"}, trainer={})
    results = Model(document).experiment(data, output_directory=str(tmp_path))
    assert results.eval_stats["price"]["r2"] > 0.95
    assert 100 < results.eval_stats["price"]["root_mean_squared_error"] < 10_000


def test_a_missing_number_is_the_mean(tmp_path):
    data = {"x": [10.0, 12.0, 14.0, None] * 20, "y": noise(80)}
    model = Model(config({"x": "number"}, {"y": "number"}))
    prepared = model.preprocess(data, output_directory=str(tmp_path / "data"))
    encoded = prepared.split("training")["x"].to_pylist()
    assert 0.0 in encoded
    assert min(encoded) > -3
    assert prepared.training_set_metadata["x"]["mean"] == pytest.approx(12, abs=0.5)


def test_text_in_a_number_column_is_counted(tmp_path):
    values: list[object] = [str(value) for value in noise(300)]
    values[5] = "abc"
    model = Model(config({"x": "number"}, {"y": "number"}))
    prepared = model.preprocess({"x": values, "y": noise(300)}, output_directory=str(tmp_path / "data"))
    assert prepared.manifest.unparsable["x"]["count"] == 1


def trained_on_colours(tmp_path: Path) -> Model:
    colours = ["red"] * 60 + ["blue"] * 60
    model = Model(config({"c": "category"}, {"y": "category"}))
    model.train({"c": colours, "y": ["warm"] * 60 + ["cold"] * 60}, output_directory=str(tmp_path))
    return model


def test_an_unseen_category_has_a_slot_of_its_own(tmp_path):
    model = trained_on_colours(tmp_path)
    results = model.predict({"c": ["green", "red", None]}, return_type="arrow")
    unseen, red, missing = results.predictions["y_probability"].to_pylist()
    assert unseen == missing != red
    assert any("c" in warning for warning in results.warnings)


def test_an_unknown_target_counts_as_wrong(tmp_path):
    model = trained_on_colours(tmp_path)
    known = model.evaluate({"c": ["red"] * 10, "y": ["warm"] * 10}).eval_stats["y"]["accuracy"]
    statistics = model.evaluate({"c": ["red"] * 20, "y": ["warm"] * 10 + ["martian"] * 10}).eval_stats["y"]
    assert statistics["accuracy"] == known / 2
    assert statistics["unknown_targets"] == 10


def test_batch_size_auto_and_the_seed_give_the_same_model_each_time(tmp_path):
    data = {"x": noise(200), "y": noise(200, seed=1)}
    document = config({"x": "number"}, {"y": "number"}, trainer={"epochs": 2})
    folders = [Model(document).train(data, output_directory=str(tmp_path / name)).output_directory for name in "ab"]
    first, second = (Path(folder, "model", "model_weights.safetensors").read_bytes() for folder in folders)
    assert first == second


def test_accuracy_is_the_share_of_rows(tmp_path):
    data = {"x": noise(200), "y": ["common"] * 180 + ["rare"] * 20}
    results = Model(config({"x": "number"}, {"y": "category"})).experiment(data, output_directory=str(tmp_path))
    statistics = results.eval_stats["y"]
    assert statistics["accuracy"] > 0.8
    assert statistics["balanced_accuracy"] == pytest.approx(0.5, abs=0.1)


def test_a_run_no_better_than_the_majority_says_so(tmp_path):
    data = {"x": noise(300), "y": [random.Random(number).choice(["a", "b"]) for number in range(300)]}
    results = Model(config({"x": "number"}, {"y": "category"})).train(data, output_directory=str(tmp_path))
    assert any("no better than" in warning for warning in results.warnings)


def test_prediction_on_the_data_of_training_says_so(tmp_path):
    data = {"x": noise(100), "y": noise(100, seed=1)}
    model = Model(config({"x": "number"}, {"y": "number"}))
    model.train(data, output_directory=str(tmp_path))
    assert any("used to train" in warning for warning in model.predict(data, return_type="arrow").warnings)


@pytest.mark.parametrize(
    "mistake",
    [
        {"combinr": {"type": "concat"}},
        {"preprocessing": {"split": {"probabilities": [0.5, 0.1, 0.1]}}},
        {"input_features": features(x="number", y="number")},
    ],
    ids=["unknown key", "probabilities", "target among the inputs"],
)
def test_what_ludwig_accepts_silently_is_an_error(mistake):
    with pytest.raises(ConfigError):
        Model(config({"x": "number"}, {"y": "number"}) | mistake)


def test_the_target_encoder_encodes_targets(tmp_path):
    data = {"c": [f"city {number % 20}" for number in range(600)], "y": [float(number % 20) for number in range(600)]}
    document = config({"c": "category"}, {"y": "number"}, trainer={"epochs": 30})
    document["input_features"] = [{"name": "c", "type": "category", "encoder": {"type": "target"}}]
    results = Model(document).experiment(data, output_directory=str(tmp_path))
    assert results.eval_stats["y"]["r2"] > 0.9


@pytest.mark.parametrize("loss", ["focal", "poly", "sparsemax", "entmax15", "entropic_open_set", "objectosphere"])
def test_every_category_loss_trains_and_predicts(tmp_path, loss):
    x = noise(120)
    data = {"x": x, "y": ["high" if value > 0.5 else "low" if value < -0.5 else "middle" for value in x]}
    document = config({"x": "number"}, {"y": "category"}, trainer={"epochs": 8, "batch_size": 16})
    document["output_features"] = [{"name": "y", "type": "category", "loss": {"type": loss}}]
    results = Model(document).experiment(data, output_directory=str(tmp_path))
    losses = results.train_stats.training["y"]["loss"]
    assert losses[-1] < losses[0]


def test_the_preset_ludwig_gives_ludwigs_defaults():
    rendered = Model({**config({"x": "number"}, {"y": "number"}), "preset": "ludwig"}).config
    assert rendered["combiner"]["type"] == "concat"
    assert rendered["combiner"]["num_fc_layers"] == 0
    assert rendered["input_features"][0]["encoder"]["type"] == "passthrough"
    assert rendered["input_features"][0]["preprocessing"]["fill_value"] == 0.0
    assert rendered["output_features"][0]["preprocessing"]["normalization"] is None
    assert rendered["trainer"]["early_stop"] == 5


def test_a_ludwig_command_line_works_by_changing_the_word(tmp_path, capsys):
    x = noise(120)
    lines = ["x,y", *(f"{value},{'yes' if value > 0 else 'no'}" for value in x)]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    text = (
        "{input_features: [{name: x, type: numerical}], output_features: [{name: y, type: binary}],"
        " training: {epochs: 2}}"
    )
    words = (
        f"experiment --dataset {tmp_path}/data.csv --output_directory {tmp_path}/out --experiment_name e --model_name m"
    )
    assert main([*words.split(), "--config_str", text, "-rs", "7", "-l", "warning", "-ssp", "-sspi"]) == 0
    folder = tmp_path / "out" / "e_m"
    assert (folder / "model" / "model_weights.safetensors").exists()
    assert not (folder / "data").exists()
    assert json.loads((folder / "description.json").read_text())["random_seed"] == 7
    assert logging.getLogger("ostinato").level == logging.WARNING
    capsys.readouterr()
