"""The main job with the data in a bucket of a real S3 server, by both kinds of URI."""

import json
from pathlib import Path

import pytest

from ostinato_pipelines.cli import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "penguins"


@pytest.mark.parametrize("scheme", ["s3", "minio"])
def test_a_model_is_trained_and_used_on_data_in_a_bucket(s3, tmp_path, capsys, scheme):
    s3.put(str(EXAMPLE / "penguins.csv"), "warehouse/birds/penguins.csv")
    dataset = f"{scheme}://warehouse/birds/*.csv"
    config = ["--config", str(EXAMPLE / "config.yaml"), "--override", "trainer.epochs=20"]
    out = tmp_path / "results"
    assert main(["experiment", *config, "--dataset", dataset, "--output_directory", str(out)]) == 0
    statistics = json.loads((out / "experiment_run" / "test_statistics.json").read_text())
    assert statistics["species"]["accuracy"] > 0.9
    model = str(out / "experiment_run" / "model")
    assert main(["predict", "--model_path", model, "--dataset", dataset, "-od", str(tmp_path / "new")]) == 0
    assert "344 rows" in capsys.readouterr().out
    assert s3.find("warehouse") == ["warehouse/birds/penguins.csv"]


def test_the_dag_runs_on_data_in_a_bucket_and_sees_when_they_change(s3, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = (EXAMPLE / "penguins.csv").read_text().splitlines(keepends=True)
    run = ["run", str(EXAMPLE / "config.yaml"), "--dataset", "s3://warehouse/penguins.csv"]
    run += ["--override", "trainer.epochs=2", "-o", str(tmp_path / "out")]
    cached = []
    for content in (lines, lines, lines[:-10]):
        s3.pipe_file("warehouse/penguins.csv", "".join(content).encode())
        assert main(run) == 0
        cached.append(capsys.readouterr().err.count("cached"))
    assert cached == [0, 5, 0]


def test_a_bucket_that_does_not_exist_is_a_data_error(s3, capsys):
    config = str(EXAMPLE / "config.yaml")
    assert main(["train", "--config", config, "--dataset", "s3://nowhere/data.csv"]) == 3
    error = capsys.readouterr().err
    assert "s3://nowhere" in error
    assert "Traceback" not in error
