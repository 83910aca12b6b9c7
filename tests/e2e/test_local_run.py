"""The whole DAG on this machine, on real data, through KFP's local runner."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from ostinato.errors import ConfigError, DataError
from ostinato.lock import read_lock
from ostinato_pipelines.cli import main
from ostinato_pipelines.local import run_local

ROOT = Path(__file__).resolve().parents[2]
PENGUINS = ROOT / "examples/penguins/penguins.csv"
DOCUMENT = {
    **yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text()),
    "trainer": {"epochs": 3},
}
STEPS = ["resolve", "infer_schema", "preprocess", "train", "evaluate", "export"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def data(home):
    path = home / "data" / "penguins.csv"
    path.parent.mkdir()
    shutil.copy(PENGUINS, path)
    return path


@pytest.fixture(scope="module")
def first(home, data):
    return run_local(DOCUMENT, data, output_directory=home / "out", store=home / ".ostinato")


def again(home, data, document=DOCUMENT, **options):
    run = run_local(document, data, output_directory=home / "out", store=home / ".ostinato", **options)
    return {step.name for step in run.steps if not step.cached}


def test_every_step_runs_in_order(first):
    assert [step.name for step in first.steps] == STEPS
    assert not any(step.cached for step in first.steps)


def test_the_results_lie_in_the_output_directory(first, home):
    folder = home / "out"
    assert all(Path(path).exists() for path in first.results.values())
    assert (folder / "report.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert (folder / "model" / "model_weights.safetensors").stat().st_size > 0
    assert (folder / "bundle" / "model.onnx").stat().st_size > 0
    assert "species_predictions" in pq.read_schema(folder / "predictions.parquet").names
    assert json.loads((folder / "run.json").read_text())["metrics"] == first.metrics


def test_metrics_of_every_output_are_logged(first):
    assert {"species.accuracy", "body_mass_g.r2"} <= set(first.metrics)
    assert "report.html" in first.summary()


def test_nothing_is_written_beside_the_data(first, data):
    assert [path.name for path in data.parent.iterdir()] == ["penguins.csv"]


def test_what_did_not_change_is_not_done_again(first, home, data):
    assert again(home, data) == {"resolve"}


def test_the_model_of_a_run_is_trained_again_to_the_last_bit(first, home, capsys):
    assert main(["reproduce", str(home / "out" / "bundle")]) == 0
    assert "to the last bit" in capsys.readouterr().out
    assert read_lock(first.results["model"]).image == "", "steps name an image, and none was used"


def test_a_changed_learning_rate_does_not_preprocess_again(first, home, data):
    changed = {**DOCUMENT, "trainer": {"epochs": 3, "learning_rate": 0.01}}
    assert again(home, data, changed) == {"resolve", "train", "evaluate", "export"}
    assert again(home, data, overrides={"trainer.learning_rate": 0.01}) == {"resolve"}


def test_changed_bytes_under_the_same_path_do_everything_again(first, home, data):
    before = data.read_text()
    try:
        data.write_text(before.replace("Torgersen", "Elsewhere", 1))
        assert again(home, data) == set(STEPS)
    finally:
        data.write_text(before)
    assert again(home, data) == {"resolve"}


def test_a_wrong_config_ends_with_its_problems_and_code_2(home, data, tmp_path, capfd):
    wrong = {**DOCUMENT, "trainer": {"epochs": 0, "learning_rat": 1}}
    with pytest.raises(ConfigError) as raised:
        run_local(wrong, data, output_directory=tmp_path / "out", store=home / ".ostinato")
    assert len(raised.value.problems) == 2
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert "KFP" not in output
    assert not (tmp_path / "out").exists()


def test_a_missing_file_ends_with_code_3(home, tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv"):
        run_local(DOCUMENT, tmp_path / "nothing.csv", output_directory=tmp_path / "out", store=home / ".ostinato")


def test_a_missing_column_ends_with_code_3(home, tmp_path):
    (tmp_path / "data.csv").write_text(PENGUINS.read_text().replace("island", "isle", 1))
    with pytest.raises(DataError, match="island"):
        run_local(DOCUMENT, tmp_path / "data.csv", output_directory=tmp_path / "out", store=home / ".ostinato")


def test_a_folder_that_holds_something_else_is_refused(data, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match="holds no earlier run"):
        run_local(DOCUMENT, data, output_directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(data, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        run_local(DOCUMENT, data, output_directory=tmp_path / "file" / "out")
    assert capfd.readouterr().err == ""


def test_the_command_says_where_to_look(first, home, data):
    config = home / "config.yaml"
    config.write_text(yaml.safe_dump(DOCUMENT))
    command = ["run", str(config), "--dataset", str(data), "--output_directory", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "ostinato_pipelines.cli", *command],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.count("cached") == 5, "the command does what `run_local` does"


def test_an_interrupted_training_says_how_to_go_on_and_does(home, data, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({**DOCUMENT, "trainer": {"epochs": 100_000, "early_stop": -1, "refit": False}}))
    command = [sys.executable, "-m", "ostinato_pipelines.cli", "run", str(config), "--dataset", str(data), "-o", "out"]
    outputs = []
    for more in ([], ["--resume"]):
        process = subprocess.Popen([*command, *more], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if " rows/s" in line:  # the first evaluation
                break
        process.terminate()
        outputs.append("".join(seen) + process.stderr.read())
        assert process.wait(60) == 4
    assert all("training was interrupted at step" in output and "--resume" in output for output in outputs)
    assert "goes on from step" not in outputs[0]
    assert "goes on from step" in outputs[1]
