"""The steps of a local run while they run: processes that are told of an interruption, and their lines."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

PATIENCE_S = 60.0
"""How long a step may take to end after Ctrl-C: it writes its checkpoint."""


class Step(Protocol):
    """Something that runs and can be told to end."""

    def interrupt(self) -> None:
        """Asks it to end well."""

    def kill(self) -> None:
        """Ends it."""


class Running:
    """The steps that run, in this thread and in others. Each is told of an interruption once, and given time to end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        """No further step shall start: one has failed, or the run was interrupted."""
        self._lock = threading.Lock()
        self._is_interrupted = False
        self._timers: dict[Step, threading.Timer | None] = {}

    @contextlib.contextmanager
    def told(self, step: Step) -> Iterator[None]:
        """A step that is told of an interruption, also of one that came while it was started."""
        with self._lock:
            self._timers[step] = None
            if self._is_interrupted:
                self._tell(step)
        try:
            yield
        finally:
            with self._lock:
                timer = self._timers.pop(step)
            if timer is not None:
                timer.cancel()

    def interrupt(self) -> None:
        """Tells all that were not told yet."""
        self.ended.set()
        with self._lock:
            self._is_interrupted = True
            for step, timer in self._timers.items():
                if timer is None:
                    self._tell(step)

    def _tell(self, step: Step) -> None:
        step.interrupt()
        timer = threading.Timer(PATIENCE_S, step.kill)
        timer.daemon = True
        timer.start()
        self._timers[step] = timer


class Process:
    """A step in a group of processes of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._send(signal.SIGINT)

    def kill(self) -> None:
        """What is left of the group ends at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def run_step(command: list[str], environment: dict[str, str], printed: Callable[[str], None], running: Running) -> int:
    """Runs a step's process; its exit code. An interruption is handed on to the step, which gets time to end well."""
    with subprocess.Popen(  # noqa: S603 (the command of our own component)
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        # A group of its own: KFP's shell dies of Ctrl-C at once, and then nobody would wait for the step.
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        step = Process(process)
        with running.told(step):
            try:
                for line in without_executor_log(process.stdout):
                    printed(line)
                return process.wait()
            except KeyboardInterrupt:
                running.interrupt()
                process.communicate()  # ends: by itself, or killed when its time is over
                raise
            finally:
                step.kill()  # what it may have left behind


@contextlib.contextmanager
def terminated_is_interrupted(running: Running) -> Iterator[None]:
    """SIGTERM acts as Ctrl-C does: the running steps are told, and waited for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def ignore(number: int, frame: object) -> None:
        pass

    # Jobs in the background of a script ignore Ctrl-C, and a step would inherit that and could not be told. A handler
    # of this process is not inherited.
    ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    handlers = {signal.SIGTERM: interrupt, signal.SIGINT: ignore if ignores else interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    wanted = {signal.SIGTERM} if ignores else {signal.SIGTERM, signal.SIGINT}
    # A signal that comes just before this thread begins to wait for others does not wake it; so a thread of its own,
    # woken by a byte in a pipe, tells the steps, and their end wakes this one.
    read, write = os.pipe()
    os.set_blocking(write, False)
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_tell_when_signalled, args=(read, wanted, running), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(write)  # the thread reads the end, and ends
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_when_signalled(read: int, wanted: set[signal.Signals], running: Running) -> None:
    with os.fdopen(read, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] in wanted:
                running.interrupt()


def without_executor_log(lines: Iterable[str]) -> Iterator[str]:
    """The lines that the step wrote; KFP's executor logs its input, as JSON over many lines, and paths."""
    in_json = False
    for raw in lines:
        line = raw.rstrip("\n")
        if in_json:
            in_json = line != "}"
        elif line.startswith("[KFP Executor"):
            in_json = line.endswith("Got executor_input:")
        else:
            yield line
