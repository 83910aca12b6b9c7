"""A process that is told to end does so in time, whatever it is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from ostinato.errors import Interrupted

GRACE_S = 8.0
"""From SIGTERM to the end; a pod is killed 30 s after it, if not told otherwise."""


@contextlib.contextmanager
def ends_in_time(grace_s: float = GRACE_S) -> Iterator[None]:
    """Ends the process with the code of an interruption some seconds after SIGTERM, if it has not ended by then.

    Python's own handlers wait until a call into C++ comes back, such as the optimization of a large network. For
    steps whose results are whole or not there at any moment.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read, grace_s), name="deadline", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)  # the thread reads the end, and ends


def _watch(read: int, grace_s: float) -> None:
    with os.fdopen(read, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] == signal.SIGTERM:
                time.sleep(grace_s)
                print("error: stopped from outside", file=sys.stderr, flush=True)
                os._exit(Interrupted.exit_code)
