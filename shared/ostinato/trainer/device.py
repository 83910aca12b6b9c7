"""Where training runs, on how many threads, and what makes it give the same result each time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import torch

from ostinato.resources import usable_cores


def pick_device() -> torch.device:
    """The first GPU, or the CPU where there is none."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Makes torch choose kernels that give the same result each time; on the CPU its kernels do so anyway."""
    if device.type == "cpu":
        yield
        return
    # Read by cuBLAS when it first starts; see "Results reproducibility" in its manual.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Only needed where code reads memory that it never wrote; costs a fill of every new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


_PARALLEL_BYTES = 1 << 20
"""Bytes of activations of a step from which its work is worth dividing: about two milliseconds on one core. Below,
threads wait for each other more than they work; on a busy machine that made training on iris ten times slower."""


def suitable_threads(step_bytes: int, num_processes: int = 1) -> int:
    """Threads for steps that keep so many bytes of activations; the same on the same machine each time.

    `num_processes` share the machine.
    """
    if step_bytes < _PARALLEL_BYTES:
        return 1
    # What torch would use may be fewer, by OMP_NUM_THREADS, or more: it does not see the container's limit.
    return max(1, min(torch.get_num_threads(), usable_cores()) // num_processes)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Lets torch use so many threads on the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def random_state(device: torch.device) -> list[torch.Tensor]:
    """The state of torch's random numbers, of the CPU and of the GPU."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def restore_random_state(state: Sequence[torch.Tensor], device: torch.device) -> None:
    """Makes random numbers go on from what `random_state` gave."""
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
