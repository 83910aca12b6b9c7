"""How a step ends in a pod."""

import subprocess
import sys

import pytest

from ostinato.errors import ConfigError, DataError, Problem
from ostinato_components.task import report, reported


def step(body: str) -> subprocess.CompletedProcess[str]:
    """A process that does what a pod does: KFP's executor sets up its logging, then the body runs."""
    program = f"""
import logging, sys
logging.basicConfig(stream=sys.stdout, format="[KFP Executor]: %(message)s", level=logging.INFO)
from ostinato.errors import *
from ostinato_components.task import task
with task():
    {body}
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("error", "code"), [("ConfigError", 2), ("DataError", 3), ("Interrupted", 4), ("GateError", 5)]
)
def test_an_error_of_the_user_is_printed_without_traceback_and_gives_its_exit_code(error, code):
    done = step(f'raise {error}([Problem("a", "is wrong"), Problem("b", "too")])')
    assert done.returncode == code
    assert done.stderr == "error: a: is wrong\nb: too\n"


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_to_end_gives_exit_code_4_without_traceback(number):
    done = step(f"import os, signal, time; os.kill(os.getpid(), signal.{number}); time.sleep(60)")
    assert done.returncode == 4
    assert done.stderr == "error: stopped from outside\n    run it again\n"


def test_a_step_may_handle_the_signal_itself():
    body = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: print('told')); os.kill(os.getpid(), 15)"
    done = step(body)
    assert (done.returncode, done.stdout) == (0, "told\n")


def test_a_bug_keeps_its_traceback():
    done = step("1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_lines_of_the_log_have_no_prefix():
    done = step('logging.getLogger("ostinato.preprocess").info("read 3 rows")')
    assert done.stdout == "read 3 rows\n"


def test_what_is_reported_to_the_local_runner_is_the_same_error(tmp_path, monkeypatch):
    path = str(tmp_path / "error.json")
    assert reported(path) is None
    monkeypatch.setenv("OSTINATO_ERROR_FILE", path)
    for error in (DataError(Problem("x.csv", "is empty", "rows", "look")), ConfigError("no")):
        report(error)
        found = reported(path)
        assert type(found) is type(error)
        assert found.problems == error.problems
