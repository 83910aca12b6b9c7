"""Wall and CPU seconds and peak memory of a command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: list[str], cwd: str | None = None) -> Measured:
    """Runs the command; its output is shown only if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        sys.stderr.buffer.write(output)
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(command: list[str], times: int = 3, cwd: str | None = None) -> Measured:
    """The fastest of several runs."""
    return min((measure(command, cwd) for _ in range(times)), key=lambda measured: measured.cpu_s)


def row(what: str, found: str, goal: str, good: bool) -> str:
    """A line of the table of results."""
    return f"| {what} | {found} | {goal} | {'yes' if good else '**no**'} |"


HEADER = "| what | measured | goal | reached |\n|---|---|---|---|"
