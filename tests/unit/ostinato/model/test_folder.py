import json
import shutil

import pyarrow as pa
import pytest
import torch

from ostinato.artifacts import HYPERPARAMETERS, METADATA, WEIGHTS
from ostinato.column import column_of
from ostinato.errors import DataError
from ostinato.load import load_config
from ostinato.model.ecd import ECD
from ostinato.model.folder import load_model, save_model

ROWS = 40
TABLE = {
    "size.cm": pa.array([float(i % 13) for i in range(ROWS)]),
    "colour": pa.array([("red", "green", "blue")[i % 3] for i in range(ROWS)]),
    "kind": pa.array([("a", "b")[i % 2] for i in range(ROWS)]),
}
CONFIG = {
    "input_features": [
        {"name": "size.cm", "type": "number", "encoder": {"type": "ple", "output_size": 4}},
        {"name": "colour", "type": "category", "encoder": {"type": "target"}},
    ],
    "output_features": [{"name": "kind", "type": "category", "calibration": True}],
    "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 8},
}


def fitted_model(**changes):
    """A network of the table, with buffers and weights that differ from those it starts with."""
    config = load_config({**CONFIG, **changes}).config
    fitted, encoded, shapes = {}, {}, {}
    for spec in (*config.input_features, *config.output_features):
        column = column_of(spec)
        values, _ = column.parse(TABLE[spec.name])
        fitted[spec.name] = column.fit(column.analyze(values, 0))
        encoded[spec.name] = torch.tensor(column.encode(values, fitted[spec.name]))
        shapes[spec.name] = column.shape(fitted[spec.name])
    torch.manual_seed(3)
    model = ECD(config, shapes)
    model.fit(encoded, encoded)
    model.eval()
    model.calibrate(model(encoded), encoded)
    return model, config, fitted, encoded


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    model, config, fitted, encoded = fitted_model()
    save_model(str(folder), model.state_dict(), config, fitted)
    return folder, model, config, fitted, encoded


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


def test_what_is_loaded_predicts_what_was_saved(saved):
    folder, model, config, fitted, encoded = saved
    loaded_config, loaded_fitted, loaded = load_model(str(folder))
    assert loaded_config == config
    assert loaded_fitted == fitted
    assert not loaded.training
    assert torch.equal(loaded.scores(loaded(encoded))["kind"], model.scores(model(encoded))["kind"])


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    folder, model, config, fitted, _ = saved
    save_model(str(tmp_path / "again"), model.state_dict(), config, fitted)
    for name in (HYPERPARAMETERS, METADATA, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_loading_leaves_the_random_numbers_alone(saved):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_model(str(saved[0]))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", [HYPERPARAMETERS, METADATA, WEIGHTS])
def test_a_folder_without_a_file_is_no_model(copy, name):
    (copy / name).unlink()
    with pytest.raises(DataError, match=f"is no model folder: {name} is missing"):
        load_model(str(copy))


def test_a_folder_that_does_not_exist_is_no_model(tmp_path):
    with pytest.raises(DataError, match="is no model folder"):
        load_model(str(tmp_path / "nowhere"))


def test_a_damaged_file_is_an_error(copy):
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="can't be read"):
        load_model(str(copy))


@pytest.mark.parametrize("name", [HYPERPARAMETERS, METADATA])
def test_files_of_different_trainings_are_not_mixed(copy, name):
    value = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps(value, indent=1))
    with pytest.raises(DataError, match=f"{name}: is not the file that {WEIGHTS} was saved with"):
        load_model(str(copy))


def test_another_version_of_the_format_is_an_error(copy):
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content.replace(rb"format_version\": \"1", rb"format_version\": \"9"))
    with pytest.raises(DataError, match="has the format version 9"):
        load_model(str(copy))
