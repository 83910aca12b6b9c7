"""Cores and memory that this process may use: the machine's, or the limits of its container (cgroup v1 and v2);
and what it did use."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of malloc.h."""


def usable_cores(root: Path = CGROUP) -> int:
    """Cores that this process may keep busy, at least 1; a limit of 1.5 counts as 2."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota, period = _cpu_limit(root)
    return max(1, min(cores, round(quota / period))) if quota > 0 and period > 0 else cores


def host_memory(root: Path = CGROUP) -> int:
    """Bytes of memory that this process may use."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Version 1 says "no limit" by a number larger than any machine.
    limits = (_number(root / "memory.max"), _number(root / "memory/memory.limit_in_bytes"))
    return min([physical, *(limit for limit in limits if limit > 0)])


def peak_memory(process: Path = Path("/proc/self")) -> int:
    """Most bytes of memory that this process had at once."""
    for line in _text(process / "status").splitlines():
        # What `getrusage` tells on Linux begins with the peak of the process that started this one.
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Lets malloc keep what is freed, up to a GB, for the next who asks; only glibc needs to be told.

    It would give tensors above some megabytes back to the system after each step and get them anew, page by page, in
    the next: a tenth to a quarter of the time of a step on the CPU. The peak is the same.
    """
    c = _glibc()
    if c is None:
        yield
        return
    c.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
    c.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    try:
        yield
    finally:
        c.mallopt(_M_TRIM_THRESHOLD, 128 << 10)  # as it was
        c.malloc_trim(0)


def return_freed_memory() -> None:
    """Gives the system what was freed and malloc still holds; only glibc can be told."""
    c = _glibc()
    if c is not None:
        c.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    c = ctypes.CDLL(None) if sys.platform == "linux" else None
    return c if c is not None and hasattr(c, "malloc_trim") else None


def _cpu_limit(root: Path) -> tuple[int, int]:
    """Microseconds of CPU in each so many microseconds; not above 0 where there is no limit."""
    words = _text(root / "cpu.max").split()
    if len(words) == 2:  # version 2: "150000 100000", or "max 100000"
        return (int(words[0]) if words[0].isdigit() else 0), int(words[1])
    return _number(root / "cpu/cpu.cfs_quota_us"), _number(root / "cpu/cpu.cfs_period_us")


def _number(path: Path) -> int:
    """The number in a file; 0 where there is none."""
    text = _text(path)
    return int(text) if text.removeprefix("-").isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
