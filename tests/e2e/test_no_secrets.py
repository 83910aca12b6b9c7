"""Addresses that let in whoever has them are in no file and no message that a run leaves."""

import shutil
from pathlib import Path

import pytest

import servers
from ostinato.errors import DataError, Problem
from ostinato_pipelines.cli import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "penguins"
SECRET = "X-Amz-Signature=0123456789abcdef"


@pytest.fixture
def website(tmp_path):
    folder = tmp_path / "website"
    folder.mkdir()
    shutil.copy(EXAMPLE / "penguins.csv", folder)
    (folder / "broken.csv").write_text("island,sex\na,b\nc\n")
    with servers.web_server(folder) as address:
        yield address


def test_a_signed_address_is_in_nothing_that_a_run_leaves(website, tmp_path, capfd):
    command = ["experiment", "--config", str(EXAMPLE / "config.yaml"), "--override", "trainer.epochs=2"]
    command += ["--dataset", f"{website}/penguins.csv?{SECRET}", "--output_directory", str(tmp_path / "out")]
    assert main(command) == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["broken.csv", "nothing.csv"])
def test_a_signed_address_is_in_no_error(website, tmp_path, capfd, name):
    command = ["experiment", "--config", str(EXAMPLE / "config.yaml"), "--output_directory", str(tmp_path / "out")]
    assert main([*command, "--dataset", f"{website}/{name}?{SECRET}"]) == DataError.exit_code
    error = capfd.readouterr().err
    assert name in error
    assert SECRET not in error


def test_a_problem_keeps_no_password():
    problem = Problem("https://me:secret@host/a.csv", "found https://host/b?sig=secret", "x", "see s3://k:secret@b/c")
    assert "secret" not in str(problem)
    assert "host/a.csv" in str(problem)
