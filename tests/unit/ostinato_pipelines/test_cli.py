"""The command line itself: help, unknown words, exit codes."""

import subprocess
import sys

import pytest

from ostinato_pipelines.cli import COMMANDS, main


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_no_command_prints_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


def test_an_unknown_command_suggests_the_nearest(capsys):
    assert main(["trian"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main([name, "--help"])
    assert exit_info.value.code == 0
    assert f"ostinato {name}" in capsys.readouterr().out


def test_an_unknown_flag_suggests_the_nearest(capsys):
    assert main(["train", "--confg", "x", "--dataset", "y"]) == 2
    assert "did you mean '--config'?" in capsys.readouterr().err


def test_flags_may_be_written_with_dashes(capsys, tmp_path):
    assert main(["predict", "--model-path", str(tmp_path / "none"), "--dataset", "none.csv"]) in {2, 3}
    assert "unknown argument" not in capsys.readouterr().err


def test_a_flag_of_ludwig_that_is_not_implemented_says_so(capsys):
    assert main(["train", "--mlflow"]) == 2
    assert "not implemented yet" in capsys.readouterr().err


def test_a_wrong_value_of_a_flag_is_an_error_without_traceback(capsys):
    assert main(["train", "--random_seed", "many"]) == 2
    error = capsys.readouterr().err
    assert "random_seed" in error
    assert "Traceback" not in error


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from ostinato_pipelines.cli import main; main(['--help']);"
        "heavy = {'torch', 'pyarrow', 'numpy', 'pandas', 'kfp', 'pydantic', 'yaml'} & set(sys.modules);"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_closed_pipe_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m ostinato_pipelines.cli --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Broken" not in process.stderr
