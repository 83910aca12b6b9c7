"""KFP's local runner as we need it, with small pipelines of its own."""

import builtins
import functools
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List  # noqa: UP035 (KFP knows this one by name)

import pytest
from kfp import dsl

from ostinato.errors import ConfigError, DataError, OstinatoError
from ostinato_pipelines.compile import component_text
from ostinato_pipelines.local import execute
from ostinato_pipelines.local_runner import replace_python
from ostinato_pipelines.local_steps import without_executor_log

IMAGE = "example.org/image:1"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def write(text: str, folder: dsl.Output[dsl.Dataset]):
    import pathlib

    print(f"writing {text}")
    pathlib.Path(folder.path).mkdir(parents=True)
    (pathlib.Path(folder.path) / "part").write_text(text)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def read(
    folder: dsl.Input[dsl.Dataset], suffix: str, copied: dsl.Output[dsl.Artifact], metrics: dsl.Output[dsl.Metrics]
):
    import pathlib
    import sys

    text = (pathlib.Path(folder.path) / "part").read_text()
    pathlib.Path(copied.path).write_text(text + suffix + sys.executable)
    metrics.log_metric("length", len(text))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def fail(how: str):
    import os

    from ostinato.errors import ConfigError, DataError, Problem
    from ostinato_components.task import task

    with task():
        if how == "config":
            raise ConfigError([Problem("a", "is wrong", "b"), Problem("c", "is wrong too", hint="d")])
        if how == "data":
            raise DataError("no such file")
        if how == "killed":
            os.kill(os.getpid(), 9)
        raise RuntimeError("a bug")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def sleep(folder: dsl.Output[dsl.Dataset]):
    import pathlib
    import time

    pathlib.Path(folder.path).mkdir(parents=True)
    half = pathlib.Path(folder.path) / "half"
    half.write_text("half")
    try:
        print("asleep", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(1)
        half.write_text("half, told")


@dsl.pipeline(name="two-steps")
def two_steps(text: str, suffix: str = "!"):
    written = write(text=text)
    read(folder=written.outputs["folder"], suffix=suffix)


@dsl.pipeline(name="failing")
def failing(how: str):
    fail(how=how)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def items() -> List[str]:  # noqa: UP006
    return ["a", "b", "c"]


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def handed() -> str:
    return "by another task"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def join(one: str, other: str) -> str:
    print(f"joining {one}")
    return f"{one} {other}"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def lines(texts: List[str], file: dsl.Output[dsl.Artifact]):  # noqa: UP006
    import pathlib

    pathlib.Path(file.path).write_text("\n".join(texts))


@dsl.pipeline(name="slow")
def slow():
    sleep()


@dsl.pipeline(name="looping")
def looping():
    found, other = items(), handed()
    with dsl.ParallelFor(found.output) as item:
        joined = join(one=item, other=other.output)
    lines(texts=dsl.Collected(joined.output))


@dsl.pipeline(name="loop-that-fails")
def loop_that_fails():
    with dsl.ParallelFor(["data", "data", "data", "data", "data", "data"]) as how:
        fail(how=how)


@dsl.pipeline(name="slow-loop")
def slow_loop():
    with dsl.ParallelFor(["a", "b", "c", "d"]):
        sleep()


TWO_STEPS = component_text(two_steps)
FAILING = component_text(failing)


def run(store: Path, *, caching=True, **arguments):
    return execute(TWO_STEPS, arguments, store, caching=caching)


def cached(steps):
    return [step.cached for step in steps]


def test_steps_run_with_this_interpreter_and_hand_on_artifacts(tmp_path):
    first, second = run(tmp_path, text="hello")
    assert (first.name, second.name) == ("write", "read")
    assert Path(first.artifacts["folder"], "part").read_text() == "hello"
    assert Path(second.artifacts["copied"]).read_text() == "hello!" + sys.executable
    assert second.metrics == {"length": 5.0}


def test_what_did_not_change_comes_from_the_cache_also_in_another_run(tmp_path):
    assert cached(run(tmp_path, text="hello")) == [False, False]
    again = run(tmp_path, text="hello")
    assert cached(again) == [True, True]
    assert again[1].metrics == {"length": 5.0}
    assert cached(run(tmp_path, text="hello", suffix="?")) == [True, False]
    assert cached(run(tmp_path, text="other")) == [False, False]
    assert cached(run(tmp_path, text="hello", caching=False)) == [False, False]


def test_an_entry_whose_folder_lost_a_file_is_not_used(tmp_path):
    first, _ = run(tmp_path, text="hello")
    Path(first.artifacts["folder"], "part").unlink()
    assert cached(run(tmp_path, text="hello")) == [False, False]
    assert cached(run(tmp_path, text="hello")) == [True, True]


def test_an_entry_whose_file_was_cut_short_is_not_used(tmp_path):
    first, _ = run(tmp_path, text="hello")
    Path(first.artifacts["folder"], "part").write_text("hell")
    assert cached(run(tmp_path, text="hello")) == [False, False]


@pytest.mark.parametrize(("how", "error", "code"), [("config", ConfigError, 2), ("data", DataError, 3)])
def test_an_error_of_the_user_arrives_with_its_class_and_no_traceback(tmp_path, capfd, how, error, code):
    with pytest.raises(error) as raised:
        execute(FAILING, {"how": how}, tmp_path, caching=True)
    assert raised.value.exit_code == code
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "KFP" not in err


def test_all_problems_arrive_with_place_and_hint(tmp_path):
    with pytest.raises(ConfigError) as raised:
        execute(FAILING, {"how": "config"}, tmp_path, caching=True)
    assert [(p.where, p.allowed, p.hint) for p in raised.value.problems] == [("a", "b", ""), ("c", "", "d")]


def test_a_bug_shows_its_traceback_once_and_names_the_step(tmp_path, capfd):
    with pytest.raises(OstinatoError, match="step fail: failed with exit code 1"):
        execute(FAILING, {"how": "bug"}, tmp_path, caching=True)
    assert capfd.readouterr().err.count("RuntimeError: a bug") == 1


def test_a_killed_step_says_so(tmp_path):
    with pytest.raises(OstinatoError, match="step fail: was killed by signal 9"):
        execute(FAILING, {"how": "killed"}, tmp_path, caching=True)


def test_a_failed_step_is_not_remembered(tmp_path):
    for _ in range(2):
        with pytest.raises(DataError):
            execute(FAILING, {"how": "data"}, tmp_path, caching=True)


def test_tasks_of_a_loop_get_their_item_and_what_other_tasks_hand_them(tmp_path):
    steps = execute(component_text(looping), {}, tmp_path, caching=True)
    assert sorted(step.name for step in steps) == ["handed", "items", "join", "join", "join", "lines"]
    assert Path(steps[-1].artifacts["file"]).read_text().splitlines() == [
        "a by another task",
        "b by another task",
        "c by another task",
    ]
    assert cached(execute(component_text(looping), {}, tmp_path, caching=True)) == [True] * 6


def test_a_step_in_a_loop_has_one_number(tmp_path, capfd):
    execute(component_text(looping), {}, tmp_path, caching=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("[3/4] join\n") == 3
    assert "      joining b\n" in err
    assert "[4/4] lines\n" in err


def test_a_failing_task_ends_its_loop_with_its_error(tmp_path, capfd):
    with pytest.raises(DataError, match="no such file"):
        execute(component_text(loop_that_fails), {}, tmp_path, caching=True)
    err = capfd.readouterr().err
    assert 1 <= err.count("] fail\n") <= 3, "two ran side by side; those behind them did not begin"
    assert "Traceback" not in err


def test_a_loop_leaves_the_logger_and_print_as_they_were(tmp_path):
    before = logging.getLogger().handlers[:], builtins.print
    execute(component_text(looping), {}, tmp_path, caching=True)
    assert (logging.getLogger().handlers, builtins.print) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_task_of_a_loop_is_told_of_an_interruption(tmp_path, number):
    process = start_slowly(tmp_path, signal.SIG_DFL, "slow_loop", asleep=2)
    process.send_signal(number)
    start = time.monotonic()
    rest = process.communicate()[1]
    assert process.wait(30) != 0
    assert time.monotonic() - start < 20
    assert "KeyboardInterrupt" in rest
    assert [half.read_text() for half in (tmp_path / "artifacts").rglob("half")] == ["half, told"] * 2
    assert not list((tmp_path / "cache").glob("*"))


def start_slowly(
    store: Path, on_ctrl_c: signal.Handlers, pipeline: str = "slow", asleep: int = 1
) -> subprocess.Popen[str]:
    """A run of a pipeline in a process of its own that heeds or ignores Ctrl-C, with so many steps asleep."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_local_runner import {pipeline}
from ostinato_pipelines.compile import component_text
from ostinato_pipelines.local import execute
execute(component_text({pipeline}), {{}}, Path({str(store)!r}), caching=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, on_ctrl_c),  # noqa: PLW1509
    )
    assert process.stderr is not None
    for _ in range(asleep):
        assert any("asleep" in line for line in process.stderr)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_step_that_was_interrupted_is_not_taken_for_a_whole_one(tmp_path, number):
    # As at a terminal; a job in the background of a script inherits that Ctrl-C is ignored.
    process = start_slowly(tmp_path, signal.SIG_DFL)
    assert process.stderr is not None
    process.send_signal(number)
    start = time.monotonic()
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) != 0
    assert time.monotonic() - start < 20
    assert "KeyboardInterrupt" in rest
    (half,) = (tmp_path / "artifacts").rglob("half")
    assert half.read_text() == "half, told"
    assert not list((tmp_path / "cache").glob("*"))
    assert not list(tmp_path.glob("run-*"))


def test_only_the_interpreter_is_replaced_in_a_command():
    command = ["sh", "-ec", "python3 -m kfp.dsl.executor_main", "--executor_input", '{"dataset": "/python3/data.csv"}']
    replaced = replace_python(command, "/bin/py")
    assert replaced == [*command[:2], "/bin/py -m kfp.dsl.executor_main", *command[3:]]


def test_the_log_of_the_executor_is_left_out():
    log = [
        "[KFP Executor 1 INFO]: Got executor_input:\n",
        "{\n",
        '    "a": {}\n',
        "}\n",
        "one\n",
        "[KFP Executor 2]: x\n",
    ]
    assert list(without_executor_log([*log, "two\n"])) == ["one", "two"]


def test_a_job_in_the_background_that_ignores_ctrl_c_can_still_be_terminated(tmp_path):
    process = start_slowly(tmp_path, signal.SIG_IGN)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    process.stderr.read()
    process.stderr.close()
    assert process.wait(30) != 0
    assert time.monotonic() - start < 20
