"""The supervisor of training: real workers that are killed, stopped and interrupted."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostinato.artifacts import WEIGHTS
from ostinato.backend.spec import TrainerBackendSpec
from ostinato.errors import ConfigError, DataError
from ostinato.load import canonical_json, from_json, load_config, render
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train.job import HEARTBEAT, Job
from ostinato_components.train.supervisor import supervise

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PROGRAM = """
import sys
from ostinato.backend.spec import TrainerBackendSpec
from ostinato_components.task import task
from ostinato_components.train.job import HEARTBEAT, Job
from ostinato_components.train.supervisor import supervise
with task():
    spec = TrainerBackendSpec.model_validate_json(sys.argv[3])
    result = supervise(Job.model_validate_json(sys.argv[1]), processes=int(sys.argv[2]), spec=spec)
    print("trained", result.epochs, "epochs,", result.warnings)
"""


@dataclass
class Supervisor:
    """A process that supervises; all that it wrote lies in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text()

    def workers(self) -> list[int]:
        """Children that run a program of their own: until a child does, its parent waits for it."""
        own = command_line(self.process.pid)
        return [child for child in children(self.process.pid) if command_line(child) not in ("", own)]

    def one_after_another(self) -> Iterator[int]:
        """Each worker that it starts in place of the one before."""
        seen: set[int] = set()
        while True:
            until(lambda: not seen.issuperset(self.workers()))
            for worker in set(self.workers()) - seen:
                seen.add(worker)
                yield worker

    def end(self) -> int:
        return self.process.wait(timeout=120)


def children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def command_line(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def is_training(pid: int) -> bool:
    """Whether the process catches SIGTERM, which it does while it trains."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def checkpoint_step(pid: int) -> int:
    """The step of the last checkpoint, as the worker tells its supervisor."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, json.JSONDecodeError, StopIteration):
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        file = next(text.partition("=")[2] for text in variables if text.startswith(HEARTBEAT + "="))
        return int(json.loads(Path(file).read_text())["checkpoint_step"])
    return 0


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def config(**trainer: object) -> str:
    raw = {
        "input_features": [{"name": "a", "type": "number"}],
        "output_features": [{"name": "y", "type": "number"}],
        "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 8},
        "trainer": {"epochs": 3, "batch_size": 32, "refit": False, **trainer},
        "backend": {"trainer": {"checkpoint_interval_s": 0.1}},
    }
    return canonical_json(render(load_config(raw).config))


ENDLESS = {"epochs": 1_000_000, "early_stop": -1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("data"))
    rng = random.Random(0)
    a = [rng.gauss(0, 1) for _ in range(300)]
    preprocess({"a": a, "y": [2 * value for value in a]}, from_json(config()), folder)
    return folder


@pytest.fixture
def start(data: str, tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    """Starts a supervisor; at the end neither it nor a worker may be left."""
    started: list[Supervisor] = []

    def start(
        processes: int = 1, retries: int = 3, hang_timeout_s: float = 600, checkpoints: str = "", **trainer: object
    ) -> Supervisor:
        text = config(**trainer)
        job = Job(data_folder=data, config=text, model_folder=str(tmp_path / "model"), checkpoints=checkpoints)
        spec = TrainerBackendSpec(max_retries=retries, hang_timeout_s=hang_timeout_s)
        log = tmp_path / "log"
        with log.open("wb") as file:
            arguments = [job.model_dump_json(), str(processes), spec.model_dump_json()]
            command = [sys.executable, "-c", PROGRAM, *arguments]
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        started.append(Supervisor(process, log))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.process.kill()
        supervisor.process.wait()


def test_a_training_in_a_process_of_its_own_gives_its_result_and_its_lines(start, tmp_path):
    supervisor = start()
    assert supervisor.end() == 0
    assert "trained 3 epochs, (" in supervisor.output()
    assert "epoch" in supervisor.output().partition("trained 3")[0]
    assert (tmp_path / "model" / WEIGHTS).exists()


def test_a_killed_worker_is_started_again(start, tmp_path):
    supervisor = start()
    until(supervisor.workers)
    os.kill(supervisor.workers()[0], signal.SIGKILL)
    assert supervisor.end() == 0
    assert "killed (signal 9); memory probably ran out; starting again from the beginning (1 of 3)" in (
        supervisor.output()
    )
    assert (tmp_path / "model" / WEIGHTS).exists()


def test_too_many_crashes_end_the_training_with_what_happened_and_what_to_do(start):
    supervisor = start(retries=1)
    for worker in itertools.islice(supervisor.one_after_another(), 2):
        os.kill(worker, signal.SIGKILL)
    assert supervisor.end() == 1
    said = supervisor.output()
    assert "training: crashed 2 times in a row without a new checkpoint; at last the worker was killed (signal 9)" in (
        said
    )
    assert "give the step more memory" in said
    assert "Traceback" not in said


def test_crashes_with_a_new_checkpoint_between_them_do_not_add_up(start, tmp_path):
    supervisor = start(retries=1, checkpoints=str(tmp_path / "checkpoints"), **ENDLESS)
    before = 0
    for number, worker in enumerate(itertools.islice(supervisor.one_after_another(), 3), start=1):
        until(lambda worker=worker, before=before: checkpoint_step(worker) > before)
        before = checkpoint_step(worker)
        os.kill(worker, signal.SIGKILL)
        until(lambda number=number: supervisor.output().count("starting again from the checkpoint of step") == number)
    assert supervisor.output().count("(1 of 1)") == 3
    assert "goes on from step" in supervisor.output()


def test_a_crash_of_the_interpreter_says_which_signal(start):
    supervisor = start(retries=0)
    until(supervisor.workers)
    os.kill(supervisor.workers()[0], signal.SIGSEGV)
    assert supervisor.end() == 1
    assert "training: crashed once; at last the worker was killed by SIGSEGV" in supervisor.output()


def test_a_worker_that_was_interrupted_alone_goes_on_and_that_does_not_count(start):
    supervisor = start(retries=0, **ENDLESS)
    for worker in itertools.islice(supervisor.one_after_another(), 2):
        until(functools.partial(is_training, worker))
        os.kill(worker, signal.SIGTERM)
    until(lambda: supervisor.output().count("a worker was interrupted, this step was not; starting again") == 2)
    assert supervisor.process.poll() is None


def test_an_error_of_the_data_is_raised_as_it_is_and_not_tried_again(data, tmp_path, capfd):
    job = Job(data_folder=str(tmp_path), config=config(), model_folder=str(tmp_path / "model"))
    with pytest.raises(DataError) as caught:
        supervise(job, processes=1, spec=TrainerBackendSpec())
    assert caught.value.problems[0].where
    assert "starting again" not in "".join(capfd.readouterr())


def test_an_error_of_the_config_is_raised_by_the_class_it_had_in_the_worker(data, tmp_path):
    diverging = config(learning_rate=1e30, optimizer={"type": "sgd"}, gradient_clipping=None)
    job = Job(data_folder=data, config=diverging, model_folder=str(tmp_path / "model"))
    with pytest.raises(ConfigError, match="diverged"):
        supervise(job, processes=2, spec=TrainerBackendSpec())


def test_a_worker_that_hangs_is_killed_and_told(start):
    supervisor = start(retries=0, hang_timeout_s=10, **ENDLESS)
    until(supervisor.workers)
    (worker,) = supervisor.workers()
    os.kill(worker, signal.SIGSTOP)
    assert supervisor.end() == 1
    assert "crashed once; at last the worker hung: for 10 s it made no step" in supervisor.output()
    assert not is_alive(worker)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_reaches_every_worker_once_and_comes_back_as_they_reported_it(start, processes, number):
    supervisor = start(processes, **ENDLESS)
    until(lambda: "training on" in supervisor.output())
    workers = supervisor.workers()
    sent = time.monotonic()
    supervisor.process.send_signal(number)
    assert supervisor.end() == 4
    assert time.monotonic() - sent < 10
    assert "error: training was interrupted at step" in supervisor.output()
    assert "Traceback" not in supervisor.output()
    assert not any(map(is_alive, workers))


def test_an_interruption_before_training_began_is_one_too(start):
    supervisor = start()
    until(supervisor.workers)
    supervisor.process.terminate()
    assert supervisor.end() == 4
    assert "error: training was interrupted" in supervisor.output()


def test_the_rank_that_was_killed_is_named_and_no_other_is_left(start):
    supervisor = start(processes=2, retries=0, **ENDLESS)
    until(lambda: sum(map(is_training, supervisor.workers())) == 2)
    workers = supervisor.workers()
    os.kill(workers[1], signal.SIGKILL)
    assert supervisor.end() == 1
    assert "crashed once; at last the worker of rank 1 was killed (signal 9)" in supervisor.output()
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("processes", [1, 2])
def test_no_worker_outlives_a_supervisor_that_was_killed(start, processes):
    supervisor = start(processes, **ENDLESS)
    until(lambda: sum(map(is_training, supervisor.workers())) == processes)
    workers = supervisor.workers()
    supervisor.process.kill()
    until(lambda: not any(map(is_alive, workers)))


def test_no_worker_outlives_a_supervisor_that_was_killed_while_it_started(start):
    supervisor = start(processes=2, **ENDLESS)
    until(lambda: len(supervisor.workers()) == 2)
    workers = supervisor.workers()
    supervisor.process.kill()
    until(lambda: not any(map(is_alive, workers)))
