"""Training once more on all rows that are not for testing."""

import json

import pytest

from ostinato.errors import ConfigError
from ostinato.load import load_config
from ostinato.model.folder import load_model
from ostinato_components import preprocess, train

COLUMNS = {
    "x": [float((7 * number) % 60) for number in range(120)],
    "y": ["yes" if (7 * number) % 60 > 30 else "no" for number in range(120)],
}


def config(**trainer: object):
    return load_config(
        {
            "input_features": [{"name": "x", "type": "number"}],
            "output_features": [{"name": "y", "type": "binary", "calibration": True}],
            "trainer": {"epochs": 4, "batch_size": 16} | trainer,
        }
    ).config


def trained(tmp_path, name: str, **trainer: object):
    data = tmp_path / "data"
    if not data.exists():
        preprocess.run(COLUMNS, config(), str(data))
    result = train.run(str(data), config(**trainer), str(tmp_path / name))
    _, _, model = load_model(str(tmp_path / name))
    return result, model.state_dict()


def test_few_rows_are_trained_on_again_with_the_validation_rows(tmp_path):
    once, first = trained(tmp_path, "once", refit=False)
    again, second = trained(tmp_path, "again")
    assert again.history == once.history
    assert any((first[name] != second[name]).any() for name in first)


def test_the_calibration_stays_that_of_the_first_model(tmp_path):
    _, first = trained(tmp_path, "once", refit=False)
    _, second = trained(tmp_path, "again", refit=True)
    temperatures = [name for name in first if name.endswith("temperature")]
    assert temperatures
    assert all(first[name] == second[name] for name in temperatures)


def test_a_refit_is_the_same_each_time(tmp_path):
    _, first = trained(tmp_path, "first", refit=True)
    _, second = trained(tmp_path, "second", refit=True)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_changing_learning_rate_is_not_refitted(tmp_path):
    scheduler = {"decay": "cosine"}
    _, first = trained(tmp_path, "once", refit=False, learning_rate_scheduler=scheduler)
    _, second = trained(tmp_path, "auto", learning_rate_scheduler=scheduler)
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("other", [{"learning_rate_scheduler": {"decay": "cosine"}}, {"skip_all_evaluation": True}])
def test_a_refit_that_cannot_be_is_a_config_error(other):
    with pytest.raises(ConfigError, match="refit"):
        config(refit=True, **other)


def test_the_preset_ludwig_trains_once(tmp_path):
    document = {
        "preset": "ludwig",
        "input_features": [{"name": "x", "type": "number"}],
        "output_features": [{"name": "y", "type": "binary"}],
    }
    assert json.loads(load_config(document).config.model_dump_json())["trainer"]["refit"] is False
