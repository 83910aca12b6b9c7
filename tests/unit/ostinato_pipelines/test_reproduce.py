"""The lock record of a model, and training again from it."""

import hashlib
import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ostinato import __version__
from ostinato.artifacts import LOCK, WEIGHTS
from ostinato.errors import GateError
from ostinato.load import load_config
from ostinato.lock import GIT_SHA, IMAGE, read_lock
from ostinato.trainer.progress import Quiet
from ostinato_components import preprocess, train
from ostinato_components.train.lock import git_sha
from ostinato_pipelines.cli import main
from ostinato_pipelines.reproduce import Reproduction, Row

CONFIG = load_config(
    {
        "input_features": [{"name": "x", "type": "number"}, {"name": "c", "type": "category"}],
        "output_features": [{"name": "y", "type": "binary"}],
        "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 8, "dropout": 0.1},
        "trainer": {"epochs": 3, "batch_size": 32},
    }
).config
SEED = 7


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with data and a model of them."""
    folder = tmp_path_factory.mktemp("home")
    generator = random.Random(0)
    rows = [f"{x},{generator.choice('abc')},{x > 0}" for x in (generator.gauss(0, 1) for _ in range(200))]
    (folder / "data.csv").write_text("\n".join(["x,c,y", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMAGE, "registry.example/train@sha256:1")
        patch.setenv(GIT_SHA, "0123abc")
        preprocess.run(str(folder / "data.csv"), CONFIG, str(folder / "data"), seed=SEED)
        train.run(str(folder / "data"), CONFIG, str(folder / "model"), seed=SEED, progress=Quiet())
    return folder


@pytest.fixture
def model(home, tmp_path):
    """A copy of the model."""
    return Path(shutil.copytree(home / "model", tmp_path / "model"))


def change(model, **changes):
    """Writes another lock record."""
    found = json.loads((model / LOCK).read_text())
    (model / LOCK).write_text(json.dumps(found | changes))


def test_the_lock_record_says_what_the_model_came_of(home):
    lock = read_lock(str(home / "model"))
    manifest = json.loads((home / "data/manifest.json").read_text())
    assert (lock.seed, lock.data.seed) == (SEED, SEED)
    assert lock.config["trainer"]["learning_rate_scheduler"]  # defaults are there
    assert lock.data.digest == manifest["source_digest"]
    assert lock.data.source.endswith("data.csv")
    assert lock.data.split == {"type": "random", "probabilities": [0.7, 0.1, 0.2]} | lock.data.split
    assert {name: split.rows for name, split in lock.data.splits.items()} == {
        name: sum(shard["rows"] for shard in shards) for name, shards in manifest["splits"].items()
    }
    assert lock.versions["ostinato"] == __version__
    assert set(lock.versions) == {"python", "ostinato", "numpy", "pyarrow", "safetensors", "torch"}
    assert lock.hardware.processes == 1
    assert lock.image == "registry.example/train@sha256:1"
    assert lock.git_sha == "0123abc"
    assert lock.weights == hashlib.sha256((home / "model" / WEIGHTS).read_bytes()).hexdigest()
    assert lock.metrics["y"]["accuracy"] > 0.5


def test_a_model_is_trained_again_to_the_last_bit(model, tmp_path, capsys):
    assert main(["reproduce", str(model), "-od", str(tmp_path / "again")]) == 0
    output = capsys.readouterr().out
    assert "the weights are the same to the last bit" in output
    assert "y.accuracy" in output
    assert "differs" not in output
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()


def test_a_copy_of_the_data_will_do(model, home, tmp_path, capsys):
    shutil.copy(home / "data.csv", tmp_path / "copy.csv")
    assert main(["reproduce", str(model), "--dataset", str(tmp_path / "copy.csv")]) == 0
    assert "to the last bit" in capsys.readouterr().out


def test_a_model_and_data_in_a_bucket_are_read_there_and_the_new_one_is_written_there(model, home, s3, capsys):
    s3.put(str(model), "warehouse/model", recursive=True)
    s3.put(str(home / "data.csv"), "warehouse/data.csv")
    command = ["reproduce", "s3://warehouse/model", "--dataset", "s3://warehouse/data.csv"]
    assert main([*command, "-od", "s3://warehouse/model"]) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*command, "-od", "s3://warehouse/again"]) == 0
    assert s3.cat(f"warehouse/again/{WEIGHTS}") == (model / WEIGHTS).read_bytes()


def test_changed_data_end_with_code_3_before_anything_is_trained(model, home, tmp_path, capsys):
    (tmp_path / "changed.csv").write_text((home / "data.csv").read_text().replace("True", "False", 1))
    assert main(["reproduce", str(model), "--dataset", str(tmp_path / "changed.csv"), "-od", str(tmp_path / "o")]) == 3
    error = capsys.readouterr().err
    assert "have changed since the model was trained" in error
    assert "training: " in error
    assert not (tmp_path / "o").exists()


def test_another_seed_is_told_by_what_differs(model, capsys):
    change(model, seed=SEED + 1)
    assert main(["reproduce", str(model)]) == 5
    found = capsys.readouterr()
    assert "weights: was" in found.err
    assert "versions, hardware and data are the same" in found.err
    assert "training rows" not in found.err  # the split has a seed of its own


def test_other_versions_end_with_code_2_and_name_the_image(model, capsys):
    change(model, versions={**read_lock(str(model)).versions, "torch": "1.0", "numpy": "0.9", "python": "3.0.0"})
    assert main(["reproduce", str(model)]) == 2
    error = capsys.readouterr().err
    assert "torch: is" in error
    assert "numpy: is" in error
    assert "python" not in error
    assert "run it in the image registry.example/train@sha256:1" in error


def test_other_versions_are_compared_when_asked_for(model, capsys):
    change(model, versions={**read_lock(str(model)).versions, "torch": "1.0"}, seed=SEED + 1)
    assert main(["reproduce", str(model), "--other_versions", "--tolerance", "0.9"]) == 0
    output = capsys.readouterr().out
    assert "within the tolerance" in output
    assert "(differs)" in output


def test_a_metric_beyond_the_tolerance_is_no_reproduction():
    same, other = Row("torch", "1", "1", True), Row("torch", "1", "2", False)
    weights, near, far = (
        Row("weights", "a", "b", False),
        Row("y.loss", "1", "1.01", True),
        Row("y.loss", "1", "2", False),
    )
    assert "within the tolerance" in Reproduction((other,), (weights,), (near,)).verdict()
    with pytest.raises(GateError, match=r"y\.loss: was 1, is 2"):
        Reproduction((other,), (weights,), (far,)).verdict()
    with pytest.raises(GateError, match="weights"):
        Reproduction((same,), (weights,), (near,)).verdict()
    with pytest.raises(GateError, match="weights"):  # trained without evaluation
        Reproduction((other,), (weights,), ()).verdict()


def test_weights_of_another_training_end_with_code_3(model, capsys):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1] + b"!")
    assert main(["reproduce", str(model)]) == 3
    assert "is not the file that the lock record was written for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"), [(None, "has no lock.json"), ("{", "no lock record"), ('{"format_version": 2}', "no lock")]
)
def test_a_model_without_a_lock_record_ends_with_code_3(model, capsys, content, words):
    (model / LOCK).unlink()
    if content is not None:
        (model / LOCK).write_text(content)
    assert main(["reproduce", str(model)]) == 3
    assert words in capsys.readouterr().err


def test_data_that_have_no_address_must_be_named(model, capsys):
    for source in ("memory", "https://…@host/a.csv"):
        change(model, data={**json.loads((model / LOCK).read_text())["data"], "source": source})
        assert main(["reproduce", str(model)]) == 2
        assert "--dataset" in capsys.readouterr().err


def test_a_folder_that_exists_is_left_alone(model, capsys):
    assert main(["reproduce", str(model), "-od", str(model.parent)]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_tolerance_is_a_share(model, capsys):
    assert main(["reproduce", str(model), "--tolerance", "5"]) == 2
    assert "a share from 0 to below 1" in capsys.readouterr().err


def test_the_commit_is_that_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv(GIT_SHA, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_sha() == ""
    (tmp_path / "file").write_text("")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert git_sha() == head
    (tmp_path / "file").write_text("changed")
    assert git_sha() == f"{head}-dirty"
