"""What checkpoints cost while nothing happens, and what they save when a worker is killed (on Linux)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import data
from benchmarks import train as loops
from benchmarks.measure import HEADER, row
from ostinato.load import canonical_json, load_config, render
from ostinato.trainer.checkpoint import Checkpoints
from ostinato_components import preprocess
from ostinato_components.train.job import HEARTBEAT, Job

PROGRAM = """
import sys
from ostinato.backend.spec import TrainerBackendSpec
from ostinato_components.task import log_plainly
from ostinato_components.train.job import Job
from ostinato_components.train.supervisor import supervise
log_plainly()
supervise(Job.model_validate_json(sys.argv[1]), processes=1, spec=TrainerBackendSpec())
"""


Found = TypeVar("Found")


@dataclass(frozen=True)
class Beat:
    """What a worker told its supervisor last."""

    at: float
    step: int
    checkpoint_step: int


def rows() -> list[str]:
    """Lines of the table of results."""
    return [*resume_rows(), *cost_rows()]


def resume_rows(interval_s: float = 5.0, kills: int = 3) -> list[str]:
    """A worker is killed at several points of the interval between two checkpoints."""
    raw = data.config(epochs=100_000, early_stop=-1, batch_size=1024, skip_all_evaluation=True)
    config = load_config(raw | {"backend": {"trainer": {"checkpoint_interval_s": interval_s}}}).config
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        preprocess.run(data.table(100_000), config, str(folder / "data"))
        job = Job(
            data_folder=str(folder / "data"),
            config=canonical_json(render(config)),
            model_folder=str(folder / "model"),
            checkpoints=str(folder / "checkpoints"),
        )
        log = folder / "log"
        with log.open("wb") as file:
            command = [sys.executable, "-c", PROGRAM, job.model_dump_json()]
            supervisor = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            found = [killed_once(supervisor.pid, log, interval_s * (kill + 1) / kills) for kill in range(kills)]
        finally:
            supervisor.kill()
            supervisor.wait()
    lost, starts = max(lost for lost, _ in found), max(start for _, start in found)
    return [
        row(
            f"resume after a kill: lost work, {kills} kills between checkpoints of {interval_s:g} s",
            f"at most {lost:.1f} s",
            f"at most {interval_s:g} s",
            lost <= interval_s,
        ),
        row("resume after a kill: from the kill to the next step", f"at most {starts:.1f} s", "5 s", starts <= 5),
    ]


def killed_once(supervisor: int, log: Path, wait_s: float) -> tuple[float, float]:
    """Seconds of work lost by a kill so long after a checkpoint, and seconds until training went on."""
    worker = until(lambda: children(supervisor))[0]
    first = until(lambda: beat(worker))
    before = until(lambda: changed(worker, first.checkpoint_step))
    time.sleep(wait_s * 0.95)
    last = until(lambda: beat(worker))
    speed = (last.step - before.step) / (last.at - before.at)
    said = len(log.read_text())
    killed_at = time.time()
    os.kill(worker, signal.SIGKILL)
    after = until(lambda: next((found for child in children(supervisor) if (found := newer(child, killed_at))), None))
    resumed = re.search(r"goes on from step (\d+)", log.read_text()[said:])
    assert resumed is not None, "it was started again from a checkpoint"
    reached = last.step + speed * (killed_at - last.at)
    return (reached - int(resumed[1])) / speed, after.at - killed_at


def until(look: Callable[[], Found | None], patience_s: float = 120) -> Found:
    """What is there at last."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def children(process: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def beat(worker: int) -> Beat | None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, json.JSONDecodeError, StopIteration):
        variables = Path(f"/proc/{worker}/environ").read_text().split("\0")
        file = Path(next(text.partition("=")[2] for text in variables if text.startswith(HEARTBEAT + "=")))
        said = json.loads(file.read_text())
        return Beat(file.stat().st_mtime, said["step"], said["checkpoint_step"])
    return None


def changed(worker: int, checkpoint_step: int) -> Beat | None:
    found = beat(worker)
    return found if found is not None and found.checkpoint_step != checkpoint_step else None


def newer(worker: int, than: float) -> Beat | None:
    found = beat(worker)
    return found if found is not None and found.at > than else None


def cost_rows(num_rows: int = 100_000, rounds: int = 30) -> list[str]:
    """Epochs with a checkpoint as often as one is ever written, in turns with epochs without."""
    columns = loops.make_columns(num_rows)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(folder, interval_s=0.01)
        _, with_checkpoints = loops.ours(columns, checkpoints)
        _, without = loops.ours(columns)
        times = {with_checkpoints: 0.0, without: 0.0}
        for number in range(rounds + 1):
            for epoch in times:
                started = time.perf_counter()
                epoch()
                times[epoch] += (time.perf_counter() - started) * (number > 0)
        count = checkpoints.step // -(-num_rows // loops.BATCH)
        checkpoints.close()
    assert count, "there was a checkpoint"
    cost = times[with_checkpoints] / times[without] - 1
    what = "checkpoints, as often as they are ever written, over none: time of an epoch"
    return [row(what, f"{cost:+.1%}", "at most +2 %", cost <= 0.02)]


if __name__ == "__main__":
    print("\n".join([HEADER, *rows()]))
