"""Where training runs, and what makes it give the same result each time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch


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
