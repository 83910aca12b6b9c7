"""Until a run is over, and what it came to. kfp's own wait never ends for a cancelled run, and dies of one 502."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ostinato.errors import ConfigError, DataError, GateError, Interrupted, OstinatoError, Problem
from ostinato_components.task import ERRORS
from ostinato_pipelines.remote.connection import Connection

SUCCEEDED, FAILED, CANCELED = "SUCCEEDED", "FAILED", "CANCELED"
FINAL = (SUCCEEDED, FAILED, CANCELED, "SKIPPED")
_EXIT_CODE = re.compile(r"exit (?:code|status)\D{0,3}(\d+)")
_VERDICTS: dict[str, type[OstinatoError]] = {"verdict-on-data": DataError, "verdict-on-model": GateError}


@dataclass(frozen=True)
class Task:
    """A step of a run."""

    name: str
    state: str
    seconds: float | None
    """None where it did not begin or is not over."""
    error: str


@dataclass(frozen=True)
class Outcome:
    """A run as the backend tells of it."""

    run_id: str
    name: str
    state: str
    seconds: float | None
    error: str
    tasks: tuple[Task, ...]
    link: str

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL

    @property
    def failed(self) -> tuple[Task, ...]:
        """The tasks that failed."""
        return tuple(task for task in self.tasks if task.state == FAILED)

    def raise_for_state(self) -> None:
        """Nothing for a run that went well.

        Raises:
            OstinatoError: it did not; the exit code is that of the step that failed, 4 for a cancelled run.
        """
        if self.state == SUCCEEDED:
            return
        if self.state == CANCELED:
            raise Interrupted(Problem(self.name, "was cancelled", hint=self.link))
        raise cause(self)(
            [Problem(f"{self.name}: {task.name}", task.error or "failed", hint=self.link) for task in self.failed]
            or [Problem(self.name, self.error or f"ended as {self.state}", hint=self.link)]
        )


def outcome(connection: Connection, run_id: str) -> Outcome:
    """The run as it is now.

    Raises:
        OstinatoError: there is no such run, or the backend refuses.
    """
    run = connection.repeated(lambda: connection.backend.get_run(run_id))
    details = getattr(run.run_details, "task_details", None) or []
    # Pods of the driver, and the DAG itself, are tasks of the API too.
    tasks = [_task(each) for each in details if each.start_time or each.state]
    hidden = {"root", str(run.display_name)}
    shown = tuple(task for task in tasks if task.name not in hidden and not task.name.endswith("-driver"))
    return Outcome(
        run_id=run_id,
        name=str(run.display_name or run_id),
        state=str(run.state or "PENDING"),
        seconds=_seconds(run.created_at, run.finished_at),
        error=_message(run),
        tasks=shown,
        link=connection.link(run_id),
    )


def wait(
    connection: Connection,
    run_id: str,
    *,
    timeout_s: float,
    poll_s: float = 10.0,
    told: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """The run when it is over: succeeded, failed or cancelled.

    Args:
        connection: the backend; one that is away for a minute is asked again.
        run_id: id of the run.
        timeout_s: seconds after which waiting ends; the run goes on.
        poll_s: seconds between two looks.
        told: hears a line when the run or one of its steps gets another state.

    Raises:
        Interrupted: it took too long.
        OstinatoError: there is no such run, or the backend refuses.
    """
    end = time.monotonic() + timeout_s
    before: Outcome | None = None
    while True:
        now = outcome(connection, run_id)
        for line in changes(before, now):
            told(line)
        if now.is_final:
            return now
        left = end - time.monotonic()
        if left <= 0:
            hint = f"it goes on; ostinato wait {run_id} waits again"
            raise Interrupted(Problem(now.name, f"is {now.state} after {timeout_s:g} s", hint=hint))
        time.sleep(min(poll_s, left))
        before = now


def changes(before: Outcome | None, now: Outcome) -> Iterator[str]:
    """A line for each step, and for the run, whose state is another one than before."""
    states = {task.name: task.state for task in before.tasks} if before else {}
    for task in now.tasks:
        if states.get(task.name) != task.state and task.state in (*FINAL, "RUNNING"):
            yield f"{task.name}: {task.state.lower()}" + (f" ({task.error})" if task.error else "")
    if before is None or before.state != now.state:
        yield f"run {now.name}: {now.state.lower()}"


def cause(ended: Outcome) -> type[OstinatoError]:
    """The class of error, and by it the exit code, that the failed steps tell of."""
    for task in ended.failed:
        if task.name in _VERDICTS:
            return _VERDICTS[task.name]
    codes = [int(found) for task in ended.failed for found in _EXIT_CODE.findall(task.error)]
    kinds = [ERRORS[code] for code in codes if code in ERRORS]
    for kind in (ConfigError, DataError, GateError, Interrupted):
        if kind in kinds:
            return kind
    return OstinatoError


def _task(detail: Any) -> Task:
    return Task(
        name=str(detail.display_name),
        state=str(detail.state or "PENDING"),
        seconds=_seconds(detail.start_time, detail.end_time),
        error=_message(detail),
    )


def _message(thing: Any) -> str:
    """The last error that the backend knows of a run or a task, in one line."""
    errors = [thing.error, *(entry.error for entry in reversed(thing.state_history or []))]
    said = next((str(error.message) for error in errors if error is not None and error.message), "")
    return " ".join(said.split())[:500]


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    # An end that is not there yet is the year 1970.
    return (end - start).total_seconds() if start and end and end > start else None
