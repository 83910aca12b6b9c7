"""Trains in processes of their own and watches them: a crash is started again, whatever is the user's is not.

Each process is started here and not by torchrun, whose variables they get: its agent puts every process into a session
of its own, so that a killed agent leaves orphans; it hides exit codes, and imports torch for nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ostinato.backend.spec import TrainerBackendSpec
from ostinato.errors import Interrupted, OstinatoError, Problem
from ostinato.trainer.interruption import Interruption
from ostinato_components.train.job import HEARTBEAT, RESULT, Job
from ostinato_components.train.rank import Rank
from ostinato_components.train.step import TrainResult

log = logging.getLogger("ostinato.train")

_POLL_S = 0.05
_GRACE_S = 20.0
"""For workers that were asked to end; they need less than 10 s."""
_SETTLE_S = 2.0
"""For the others when one has crashed: they may have crashed for the same reason and be about to say so."""


class HeartbeatReader:
    """The file in which the worker of rank 0 says, about once a second, how far it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        self.beat()

    def beat(self) -> None:
        """Counts as a sign of life."""
        self._seen = self._path.stat().st_mtime_ns
        self._since = time.monotonic()

    def silence_s(self) -> float:
        """Seconds since the file last changed, by a clock that nobody sets."""
        if self._path.stat().st_mtime_ns != self._seen:
            self.beat()
        return time.monotonic() - self._since

    def checkpoint_step(self) -> int:
        """The step of the last checkpoint; 0 where there is none, or the worker died while writing."""
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads(self._path.read_text(encoding="utf-8"))["checkpoint_step"])
        return 0


def supervise(job: Job, *, processes: int, spec: TrainerBackendSpec) -> TrainResult:
    """Trains in that many processes of this machine; see `step.run`.

    A worker that crashes or hangs is started again and goes on from the last checkpoint.

    Raises:
        ConfigError, DataError: as the worker raised it; never tried again.
        Interrupted: SIGINT or SIGTERM came to this process; the workers have saved what they had.
        OstinatoError: too many crashes in a row without a new checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder, Interruption() as interruption:
        heartbeat = HeartbeatReader(Path(folder, "heartbeat"))
        result_file = Path(folder, "result.json")
        crashes, reached = 0, heartbeat.checkpoint_step()
        while True:
            with _started(job, processes, Path(folder)) as ranks:
                is_hung = _wait(ranks, heartbeat, interruption, spec.hang_timeout_s)
            if all(rank.exit_code == 0 for rank in ranks):
                return _result(result_file)
            _raise_reported(ranks)
            if interruption:
                raise _interrupted(ranks)
            job = job.model_copy(update={"resume": True})
            if not is_hung and not any(rank.has_crashed for rank in ranks):
                log.warning("a worker was interrupted, this step was not; %s", _again(job, heartbeat))
                continue
            if heartbeat.checkpoint_step() != reached:
                crashes, reached = 0, heartbeat.checkpoint_step()
            crashes += 1
            what, hint = _hung(spec) if is_hung else _crash(ranks)
            if crashes > spec.max_retries:
                times = "once" if crashes == 1 else f"{crashes} times in a row without a new checkpoint"
                raise OstinatoError(Problem("training", f"crashed {times}; at last {what}", hint=hint))
            log.warning("%s; %s (%d of %d)", what, _again(job, heartbeat), crashes, spec.max_retries)


@contextlib.contextmanager
def _started(job: Job, processes: int, folder: Path) -> Iterator[list[Rank]]:
    """The workers; none is left at the end, however it comes."""
    job_file = folder / "job.json"
    job_file.write_text(job.model_dump_json(), encoding="utf-8")
    several = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    several |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    ranks: list[Rank] = []
    try:
        for number in range(processes):
            environment = several | {"RANK": str(number), "LOCAL_RANK": str(number)} if processes > 1 else {}
            if number == 0:
                environment |= {HEARTBEAT: str(folder / "heartbeat"), RESULT: str(folder / "result.json")}
            ranks.append(Rank(number, job_file, environment, prefix=f"[rank {number}] " if number else ""))
        yield ranks
    finally:
        for rank in ranks:
            rank.kill()


def _wait(ranks: Sequence[Rank], heartbeat: HeartbeatReader, interruption: Interruption, hang_timeout_s: float) -> bool:
    """Until all have ended, or need not be waited for; whether they hung."""
    heartbeat.beat()
    deadline: float | None = None
    is_told = False
    while any(rank.exit_code is None for rank in ranks):
        if interruption and not is_told:
            is_told = True
            for rank in ranks:
                rank.terminate()
        ended_early = [rank for rank in ranks if rank.exit_code]
        if deadline is None and (is_told or ended_early):
            patience = _SETTLE_S if any(rank.has_crashed for rank in ended_early) else _GRACE_S
            deadline = time.monotonic() + patience
        if deadline is not None and time.monotonic() > deadline:
            return False
        if heartbeat.silence_s() > hang_timeout_s:
            for rank in ranks:
                rank.ask_where()
            time.sleep(_SETTLE_S)
            return True
        time.sleep(_POLL_S)
    return False


def _raise_reported(ranks: Sequence[Rank]) -> None:
    """Raises what a worker said is the user's, if one did."""
    for rank in ranks:
        error = rank.error()
        if error is not None and not isinstance(error, Interrupted):
            raise error


def _interrupted(ranks: Sequence[Rank]) -> Interrupted:
    errors = (rank.error() for rank in ranks)
    return next((error for error in errors if isinstance(error, Interrupted)), Interrupted("training was interrupted"))


def _hung(spec: TrainerBackendSpec) -> tuple[str, str]:
    what = f"the worker hung: for {spec.hang_timeout_s:g} s it made no step, so it was killed"
    return what, "the log says where it was; backend.trainer.hang_timeout_s gives it more time"


def _crash(ranks: Sequence[Rank]) -> tuple[str, str]:
    """What happened to the first to crash, and what to do.

    A process that loses another one ends with an exit code; so who was killed by a signal came first.
    """
    number, rank = min(
        ((number, rank) for number, rank in enumerate(ranks) if rank.has_crashed),
        key=lambda numbered: (numbered[1].exit_code or 0) > 0,
    )
    name = f"the worker of rank {number}" if len(ranks) > 1 else "the worker"
    code = rank.exit_code
    assert code is not None, "it has crashed"
    if code == -signal.SIGKILL:
        hint = "give the step more memory, or make trainer.batch_size smaller"
        return f"{name} was killed (signal 9); memory probably ran out", hint
    if code < 0:
        return f"{name} was killed by {signal.Signals(-code).name}", "its last lines in the log may tell more"
    said = f": {rank.last_line}" if rank.last_line else ""
    return f"{name} ended with exit code {code}{said}", "its last lines in the log tell more"


def _again(job: Job, heartbeat: HeartbeatReader) -> str:
    step = heartbeat.checkpoint_step()
    place = f"from the checkpoint of step {step}" if job.checkpoints and step else "from the beginning"
    return f"starting again {place}"


def _result(path: Path) -> TrainResult:
    fields = json.loads(path.read_text(encoding="utf-8"))
    return TrainResult(**(fields | {"warnings": tuple(fields["warnings"])}))


def _free_port() -> int:
    """A port that was free a moment ago; if it no longer is, rank 0 ends, and is started again with another."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
