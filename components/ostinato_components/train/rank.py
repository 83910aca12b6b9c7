"""One process of a training, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TextIO

from ostinato.errors import Interrupted, OstinatoError
from ostinato_components.task import ERROR_FILE, reported
from ostinato_components.train.supervised import SUPERVISOR, WHERE

_MODULE = "ostinato_components.train.worker"
_INTERRUPTED = (Interrupted.exit_code, -signal.SIGTERM, -signal.SIGINT)
"""How a process ends that was asked to; by the signal itself where it had not begun to listen."""


class Rank:
    """A worker and all that it leaves: lines, an exit code, an error. Its lines come out as it writes them."""

    def __init__(self, number: int, job_file: Path, environment: Mapping[str, str], prefix: str) -> None:
        self._error_file = job_file.with_name(f"error_{number}.json")
        self._error_file.unlink(missing_ok=True)
        self._was_killed = False
        self.last_line = ""
        """The last that it wrote to standard error."""
        self._process = subprocess.Popen(  # noqa: S603 (our own worker)
            [sys.executable, "-m", _MODULE, str(job_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                ERROR_FILE: str(self._error_file),
                SUPERVISOR: str(os.getpid()),
                **environment,
            },
            # A group of its own: Ctrl-C reaches the supervisor only, and each worker once, by the supervisor.
            start_new_session=True,
        )
        streams = ((self._process.stdout, sys.stdout), (self._process.stderr, sys.stderr))
        self._readers = [
            threading.Thread(target=self._pass_on, args=(source, target, prefix), daemon=True)
            for source, target in streams
        ]
        for reader in self._readers:
            reader.start()

    @property
    def exit_code(self) -> int | None:
        """Negative where a signal killed it; None while it runs."""
        return self._process.poll()

    @property
    def has_crashed(self) -> bool:
        """Whether it ended neither well, nor interrupted, nor by `kill`."""
        return not self._was_killed and self.exit_code not in (None, 0, *_INTERRUPTED)

    def error(self) -> OstinatoError | None:
        """The error that it reported; None where it did not."""
        return reported(str(self._error_file))

    def terminate(self) -> None:
        """Asks it to end: it saves what it has."""
        self._process.terminate()

    def ask_where(self) -> None:
        """Has it write the traceback of all its threads."""
        self._send(WHERE)

    def kill(self) -> None:
        """Ends it and what it may have started, and reads the rest of its lines."""
        self._was_killed = self._was_killed or self.exit_code is None
        self._send(signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            # A process that left the group may hold the other end.
            reader.join(timeout=5)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _pass_on(self, source: IO[str], target: TextIO, prefix: str) -> None:
        with source:
            for line in source:
                if target is sys.stderr and line.strip():
                    self.last_line = line.strip()
                # Nobody may be reading any more; training goes on.
                with contextlib.suppress(BrokenPipeError):
                    target.write(prefix + line)
                    target.flush()
