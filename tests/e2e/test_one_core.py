"""The main job on a machine of one core."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "penguins"


@pytest.mark.skipif(sys.platform != "linux", reason="cores can be taken away on Linux only")
@pytest.mark.parametrize("rows", ["auto", "50"])
def test_a_model_is_trained_on_one_core(tmp_path, rows):
    command = [sys.executable, "-m", "ostinato_pipelines.cli", "experiment", "--config", str(EXAMPLE / "config.yaml")]
    command += ["--dataset", str(EXAMPLE / "penguins.csv"), "--output_directory", str(tmp_path)]
    command += ["--override", "trainer.epochs=3", "--override", f"backend.trainer.rows_in_memory={rows}"]
    done = subprocess.run(["taskset", "-c", "0", *command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    statistics = json.loads((tmp_path / "experiment_run" / "test_statistics.json").read_text())
    assert 0 <= statistics["species"]["accuracy"] <= 1
