"""Preprocessing shared by tasks, through KFP's local runner, on real data."""

import json
from pathlib import Path

import pytest
import yaml

from ostinato_pipelines.local import run_local

ROOT = Path(__file__).resolve().parents[2]
PENGUINS = ROOT / "examples/penguins/penguins.csv"
DOCUMENT = {**yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text()), "trainer": {"epochs": 2}}
STEPS = ["resolve", "infer_schema", "preprocess_plan"] + ["preprocess_analyze"] * 3 + ["preprocess_merge"]
STEPS += ["preprocess_encode"] * 3 + ["preprocess_collect", "train", "evaluate", "export"]


def document(storage, shards=3):
    return {**DOCUMENT, "backend": {"storage": str(storage), "preprocessing": {"shards": shards}}}


def run(home, shards=3, storage="storage", data=PENGUINS):
    return run_local(document(home / storage, shards), data, output_directory=home / "out", store=home / "store")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home):
    return run(home)


def shards(folder):
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    return {split: [Path(shard["path"]).name for shard in found] for split, found in manifest["splits"].items()}


def test_every_task_runs_and_the_model_learns_from_the_storage(first, home):
    assert sorted(step.name for step in first.steps) == sorted(STEPS)
    assert "species.accuracy" in first.metrics
    (folder,) = (home / "storage/data").iterdir()
    assert shards(first.step("preprocess_collect").artifacts["data"]) == shards(folder)
    assert {path.suffix for path in folder.iterdir()} == {".parquet", ".json"}
    assert not list((home / "storage/work").rglob("*.arrow")), "rows between the passes are tidied up"


def test_one_step_makes_the_same_bytes(first, home):
    one = run(home, shards=0, storage="other")
    (mine,), (theirs,) = ((home / name / "data").iterdir() for name in ("other", "storage"))
    assert mine.name == theirs.name
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == {
        path.name: path.read_bytes() for path in theirs.iterdir()
    }
    assert one.metrics == first.metrics


def test_what_did_not_change_is_not_done_again(first, home):
    assert {step.name for step in run(home).steps if not step.cached} == {"resolve"}


def test_the_progress_counts_what_a_loop_does_as_one_step(home, capfd):
    run(home)
    lines = capfd.readouterr().err.splitlines()
    assert "[4/10] preprocess_analyze" in lines
    assert "[10/10] export" in lines
