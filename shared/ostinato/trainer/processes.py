"""The processes that train one model together: R of them, started by torchrun; or this one alone.

Each takes a share of the rows of every batch. Losses are those of the whole batch on every process, so that all of
them decide alike.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from ostinato.trainer.device import pick_device

Plain = TypeVar("Plain")


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    """R."""
    local_size: int = 1
    """Processes on this machine."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0

    def sum_up(self, part: Tensor) -> Tensor:
        """What this process has -> the sum of what all have; the gradient is that of this process's part."""
        summed: Tensor = _Sum.apply(part)  # type: ignore[no-untyped-call]
        return summed

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over the processes."""
        if self.size == 1:
            return list(values)
        import torch.distributed as dist

        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        found: list[float] = tensor.tolist()
        return found

    def told(self, value: Plain) -> Plain:
        """What the first process has: a value that JSON can write."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        text = json.dumps(value if self.is_first else None).encode()
        (length,) = self.largest([float(len(text) if self.is_first else 0)])
        letters = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.is_first:
            letters.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        dist.broadcast(letters, 0)
        told: Plain = json.loads(bytes(letters.tolist()))
        return told

    def joined(self, rows: Tensor) -> Tensor:
        """[n, …] rows of each process, which may differ in n -> all rows, those of the first process first."""
        if self.size == 1:
            return rows
        import torch.distributed as dist

        lengths = torch.zeros(self.size, dtype=torch.int64, device=rows.device)
        lengths[self.rank] = len(rows)
        dist.all_reduce(lengths)
        counts: list[int] = lengths.tolist()
        padded = rows.new_zeros((max(counts), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


ALONE = Processes()
"""One process, on the CPU."""


class _Sum(torch.autograd.Function):
    """Adds up over the processes; each process's gradient is that of the sum."""

    @staticmethod
    def forward(context: Any, part: Tensor) -> Tensor:
        import torch.distributed as dist

        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


@contextlib.contextmanager
def together(timeout_s: float) -> Iterator[Processes]:
    """Joins the processes that torchrun started, or is alone where none did.

    Args:
        timeout_s: how long to wait for another process before giving up.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Processes(device=pick_device())
        return
    import torch.distributed as dist

    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    timeout = datetime.timedelta(seconds=timeout_s)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timeout)
    try:
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        yield Processes(dist.get_rank(), size, local_size, device)
    finally:
        dist.destroy_process_group()
