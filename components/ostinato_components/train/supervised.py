"""What a worker does for its supervisor: it dies with it, and says where it hangs."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

SUPERVISOR = "OSTINATO_SUPERVISOR_PID"
"""Environment variable: the process that started this worker and waits for it."""
WHERE = signal.SIGUSR1
"""The signal that asks a worker for a traceback of all its threads, on standard error."""
_PR_SET_PDEATHSIG = 1


def follow_supervisor() -> None:
    """From now on this process is killed when its supervisor goes away (on Linux), and answers `WHERE`.

    Does nothing in a worker that somebody else started, such as torchrun.
    """
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor is None:
        return
    faulthandler.register(WHERE, all_threads=True)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(supervisor):  # it went away before the kernel knew that we care
            sys.exit(f"the supervisor, process {supervisor}, is gone")
