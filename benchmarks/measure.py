"""Wall and CPU seconds and peak memory of a command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

# The peak that Linux counts for a process begins with that of the process which started it: a small one, here.
_LAUNCHER = """
import json, os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(int(sys.argv[1]), "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], file)
"""


@dataclass(frozen=True)
class Measured:
    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: list[str], cwd: str | None = None) -> Measured:
    """Runs the command; its output is shown only if it fails."""
    reader, writer = os.pipe()
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(writer), *command]
    started = time.perf_counter()
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(launch, check=False, cwd=cwd, pass_fds=[writer], **output)
    wall = time.perf_counter() - started
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        code, cpu_s, peak_mb = json.load(file)
    if code:
        sys.stderr.buffer.write(done.stdout)
        raise SystemExit(f"{' '.join(command)} failed with {code}")
    return Measured(wall, cpu_s, peak_mb)


def best(command: list[str], times: int = 3, cwd: str | None = None) -> Measured:
    """The fastest of several runs."""
    return min((measure(command, cwd) for _ in range(times)), key=lambda measured: measured.cpu_s)


def row(what: str, found: str, goal: str, good: bool) -> str:
    """A line of the table of results."""
    return f"| {what} | {found} | {goal} | {'yes' if good else '**no**'} |"


HEADER = "| what | measured | goal | reached |\n|---|---|---|---|"
