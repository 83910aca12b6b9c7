"""A step when KFP runs it: how it logs and how it ends."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from ostinato.errors import ConfigError, DataError, GateError, Interrupted, OstinatoError, Problem

ERROR_FILE = "OSTINATO_ERROR_FILE"
"""Environment variable: where a step writes its error for the local runner; unset in a pod."""
ERRORS: dict[int, type[OstinatoError]] = {
    error.exit_code: error for error in (OstinatoError, ConfigError, DataError, Interrupted, GateError)
}


@contextlib.contextmanager
def task() -> Iterator[None]:
    """Plain lines in the log; an error of the user ends the process with its exit code and without a traceback.

    SIGTERM, by which a pod is told to end, acts as Ctrl-C does, unless the step has a better answer to both.
    """
    log_plainly()
    is_told = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal is_told
        is_told = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except OstinatoError as error:
        report(error)
        sys.exit(error.exit_code)
    except BaseException as error:
        # A library may have turned the interruption into an error of its own.
        if not is_told and not isinstance(error, KeyboardInterrupt):
            raise
        report(Interrupted(Problem("", "stopped from outside", hint="run it again")))
        sys.exit(Interrupted.exit_code)
    finally:
        signal.signal(signal.SIGTERM, before)


def log_plainly() -> None:
    """Lines of the logger `ostinato` go to standard output as they are, not with the prefix of KFP's executor."""
    logger = logging.getLogger("ostinato")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def report(error: OstinatoError) -> None:
    """Hands the error to the local runner if that is who asked, else prints it."""
    path = os.environ.get(ERROR_FILE)
    if path is None:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return
    # Steps side by side may both fail: what is there is one of the errors, whole.
    temporary = Path(f"{path}.{os.getpid()}")
    temporary.write_text(to_json(error), encoding="utf-8")
    temporary.replace(path)


def reported(path: str) -> OstinatoError | None:
    """The error that a step handed over, with the same class; None where there is none."""
    file = Path(path)
    return from_json(file.read_text(encoding="utf-8")) if file.exists() else None


def to_json(error: OstinatoError) -> str:
    """The error as one process tells it to another."""
    problems = [[problem.where, problem.message, problem.allowed, problem.hint] for problem in error.problems]
    return json.dumps({"exit_code": error.exit_code, "problems": problems})


def from_json(text: str | bytes) -> OstinatoError:
    """The same error, of the same class."""
    found = json.loads(text)
    return ERRORS[found["exit_code"]](Problem(*fields) for fields in found["problems"])
