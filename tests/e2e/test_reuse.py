"""The pipelines of examples/reuse, as their authors run them: a step of ours with steps of theirs, and the reverse."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors import safe_open

from ostinato.artifacts import SPLIT_NAMES

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/reuse"
PENGUINS = ROOT / "examples/penguins/penguins.csv"


def run(name, *arguments, cwd):
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def artifact(folder, step, name):
    (path,) = folder.glob(f"local_outputs/*/{step}/{name}")
    return path


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp("their_training")
    return folder, run("their_training.py", PENGUINS, cwd=folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("their_data")
    run("their_data.py", PENGUINS, cwd=folder)
    return folder


def test_their_model_learns_from_our_shards(training):
    folder, output = training
    assert float(re.search(r"on the test rows: ([0-9.]+)", output)[1]) > 0.9
    with safe_open(artifact(folder, "fit", "model"), "numpy") as tensors:
        assert tensors.get_tensor("coefficients").shape == (3, 4)


def test_pandas_reads_our_shards_by_the_manifest(training):
    folder = artifact(training[0], "preprocess", "data")
    manifest = json.loads((folder / "manifest.json").read_text())
    tables = {
        split: pd.concat(pd.read_parquet(folder / shard["path"]) for shard in manifest["splits"][split])
        for split in SPLIT_NAMES
    }
    assert sum(map(len, tables.values())) == 344
    classes = json.loads((folder / "training_set_metadata.json").read_text())["species"]["vocabulary"]
    shares = tables["training"]["species"].map(dict(enumerate(classes))).value_counts(normalize=True)
    assert set(shares.index) == {"Adelie", "Gentoo", "Chinstrap"}
    assert shares["Adelie"] == pytest.approx(152 / 344, abs=0.08)


def test_our_model_learns_from_their_data(data):
    statistics = json.loads(artifact(data, "evaluate", "statistics").read_text())
    assert statistics["species"]["accuracy"] > 0.8
    manifest = json.loads((artifact(data, "preprocess", "data") / "manifest.json").read_text())
    assert sum(shard["rows"] for shards in manifest["splits"].values() for shard in shards) == 333  # the complete ones


def test_other_tools_read_our_model_and_predictions(data):
    model = artifact(data, "train", "model")
    with safe_open(model / "model_weights.safetensors", "numpy") as weights:
        assert weights.keys()
    lock = json.loads((model / "lock.json").read_text())
    assert [feature["name"] for feature in lock["config"]["input_features"]][2] == "bill_ratio"
    predictions = pq.read_table(artifact(data, "evaluate", "predictions")).to_pandas()
    assert set(predictions["species_predictions"]) <= {"Adelie", "Gentoo", "Chinstrap"}


@pytest.mark.parametrize("name", ["their_training", "their_data"])
def test_the_examples_compile_for_kubeflow(name, tmp_path):
    run(f"{name}.py", "--compile", "pipeline.yaml", cwd=tmp_path)
    package = next(yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text()))
    images = {executor["container"]["image"] for executor in package["deploymentSpec"]["executors"].values()}
    assert any("ostinato" in image for image in images)
    assert any("their-team" in image for image in images)
