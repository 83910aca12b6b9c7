"""Bundles of small networks built from their config and statistics; a few rows of every type, with odd names."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ostinato.artifacts import BUNDLE, ONNX
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, OstinatoError
from ostinato.load import load_config
from ostinato.model.ecd import ECD
from ostinato.model.folder import save_model
from ostinato.predictor import Predictor
from ostinato_components import export, preprocess
from ostinato_components.export.network import NoOnnx, onnx_names

INPUTS = [
    {"name": "body.mass (g)", "type": "number"},
    {"name": "größe", "type": "category"},
    {"name": "is it", "type": "binary"},
    {"name": "1st note", "type": "text", "encoder": {"type": "parallel_cnn", "num_filters": 4, "output_size": 4}},
]
OUTPUTS = [
    {"name": "price", "type": "number"},
    {"name": "sold", "type": "binary"},
    {"name": "kind", "type": "category"},
]
GENERATOR = np.random.default_rng(0)
TABLE = pa.table(
    {
        "body.mass (g)": pa.array(GENERATOR.normal(50, 10, 80), mask=GENERATOR.random(80) < 0.1),
        "größe": GENERATOR.choice(["klein", "groß", "mittel"], 80),
        "is it": GENERATOR.random(80) < 0.4,
        "1st note": [f"a note of {word}" for word in GENERATOR.choice(["x", "y z", "w"], 80)],
        "price": GENERATOR.normal(5000, 1000, 80),
        "sold": GENERATOR.choice(["yes", "no"], 80),
        "kind": GENERATOR.choice(["a", "b", "c"], 80),
    }
)


def make(folder, **changes):
    """A data folder and a model folder of an untrained network."""
    config = load_config({"input_features": INPUTS, "output_features": OUTPUTS} | changes).config
    preprocess.run(TABLE, config, str(folder / "data"))
    data = DataFolder(str(folder / "data"))
    torch.manual_seed(0)
    rows = data.read("training")
    model = ECD(config, data.shapes(config))
    tensors = {name: torch.tensor(column) for name, column in rows.items()}
    model.fit(tensors, tensors)
    save_model(str(folder / "model"), model.eval().state_dict(), config, data.fitted(config))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("export"))
    export.run(str(folder / "model"), str(folder / "data"), str(folder / "bundle"))
    return folder


def test_the_bundle_describes_itself(folder):
    bundle = json.loads((folder / "bundle" / BUNDLE).read_text())
    assert [column["column"] for column in bundle["inputs"]] == [feature["name"] for feature in INPUTS]
    assert [column["onnx"] for column in bundle["inputs"]] == ["body_mass__g_", "gr__e", "is_it", "_1st_note"]
    assert bundle["outputs"][0]["columns"] == ["price_predictions"]
    assert bundle["parity"]["rows"] > 0
    assert all(difference <= 1e-4 for difference in bundle["parity"]["differences"].values())
    assert ONNX in bundle["files"]
    assert "README.md" in bundle["files"]


def test_the_bundle_predicts_as_the_model(folder):
    bundle = Predictor.load(str(folder / "bundle"), "onnx")
    model = Predictor.load(str(folder / "model"))
    ours, theirs = bundle.predict(TABLE), model.predict(TABLE)
    assert ours.schema == theirs.schema
    np.testing.assert_allclose(ours.column("price_predictions"), theirs.column("price_predictions"), rtol=1e-4)
    assert ours.column("kind_predictions").equals(theirs.column("kind_predictions"))


@pytest.mark.parametrize("num_rows", [0, 1, 2, 80])
def test_the_bundle_takes_any_number_of_rows(folder, num_rows):
    bundle = Predictor.load(str(folder / "bundle"), "onnx")
    whole = bundle.predict(TABLE)
    part = bundle.predict(TABLE.slice(0, num_rows))
    assert part.num_rows == num_rows
    np.testing.assert_allclose(
        part.column("price_predictions").to_numpy(), whole.column("price_predictions").to_numpy()[:num_rows], rtol=1e-5
    )


def test_the_bundle_needs_no_torch(folder):
    pq.write_table(TABLE, folder / "new.parquet")
    code = f"""
    import sys
    import pyarrow.parquet as pq
    from ostinato.predictor import Predictor
    table = pq.read_table({str(folder / "new.parquet")!r})
    assert Predictor.load({str(folder / "bundle")!r}, "onnx").predict(table).num_rows == 80
    assert "torch" not in sys.modules and "sklearn" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_a_changed_file_is_noticed(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    (tmp_path / "bundle" / "training_set_metadata.json").write_text("{}")
    (tmp_path / "bundle" / ONNX).unlink()
    with pytest.raises(DataError) as caught:
        Predictor.load(str(tmp_path / "bundle"), "onnx")
    assert len(caught.value.problems) == 2


def test_a_model_folder_has_no_onnx_network(folder):
    with pytest.raises(DataError, match="the export step makes a bundle"):
        Predictor.load(str(folder / "model"), "onnx")


def test_a_folder_in_use_is_left_alone(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="nothing was written"):
        export.run(str(folder / "model"), str(folder / "data"), str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_network_that_disagrees_fails_and_leaves_nothing(folder, tmp_path, monkeypatch):
    """Another network is exported than the one the model folder holds."""
    from ostinato_components.export import network

    real = network.write_onnx

    def other(model, columns, path, inputs, outputs):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1)
        real(model, columns, path, inputs, outputs)
        with torch.no_grad():
            for weight in model.parameters():
                weight.sub_(0.1)

    monkeypatch.setattr(network, "write_onnx", other)
    with pytest.raises(export.ParityError, match=r"at most 0\.0001") as caught:
        export.run(str(folder / "model"), str(folder / "data"), str(tmp_path / "bundle"))
    assert {problem.where for problem in caught.value.problems} <= {"price", "sold", "kind"}
    assert isinstance(caught.value, OstinatoError)
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_the_bundle_says_why_and_works_with_torch(folder, tmp_path, monkeypatch):
    from ostinato_components.export import network

    def never(*arguments):
        raise NoOnnx("UnsupportedOperator: aten::odd")

    monkeypatch.setattr(network, "write_onnx", never)
    result = export.run(str(folder / "model"), str(folder / "data"), str(tmp_path / "bundle"))
    assert "aten::odd" in result.warnings[0]
    assert Predictor.load(str(tmp_path / "bundle")).predict(TABLE).num_rows == 80
    with pytest.raises(DataError, match="aten::odd"):
        Predictor.load(str(tmp_path / "bundle"), "onnx")
    with pytest.raises(DataError, match="aten::odd"):
        export.run(str(folder / "model"), str(folder / "data"), str(tmp_path / "other"), require_onnx=True)


CHANGES = {
    "ft_transformer": {"combiner": {"type": "ft_transformer", "hidden_size": 8, "num_heads": 2}},
    "ensemble": {"combiner": {"type": "concat", "num_fc_layers": 1, "batch_ensemble": True, "norm": "batch"}},
    "dependencies": {"output_features": [OUTPUTS[0], OUTPUTS[2] | {"dependencies": ["price"], "calibration": True}]},
    "clip": {"output_features": [OUTPUTS[0] | {"clip": [4000, 6000], "preprocessing": {"normalization": "log1p"}}]},
    **{
        f"number {name}": {"input_features": [{"name": "body.mass (g)", "type": "number", "encoder": {"type": name}}]}
        for name in ("ple", "periodic", "bins", "dense")
    },
    **{
        f"category {name}": {"input_features": [{"name": "größe", "type": "category", "encoder": {"type": name}}]}
        for name in ("onehot", "sparse", "target", "hash", "passthrough")
    },
    **{
        f"loss {name}": {"output_features": [OUTPUTS[2] | {"loss": {"type": name}}]}
        for name in ("corn", "sparsemax", "entmax15")
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_every_part_of_a_network_can_be_exported(changes, tmp_path):
    make(tmp_path, **changes)
    result = export.run(str(tmp_path / "model"), str(tmp_path / "data"), str(tmp_path / "bundle"), require_onnx=True)
    assert result.bundle.parity is not None


def test_names_of_onnx_are_plain_and_different():
    names = onnx_names(["a b", "a.b", "a_b", "ü", "1"], taken=["_"])
    assert names == {"a b": "a_b", "a.b": "a_b_2", "a_b": "a_b_3", "ü": "__2", "1": "_1"}
