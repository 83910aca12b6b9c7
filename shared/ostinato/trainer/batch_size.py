"""How many rows a step takes where the config says `auto`: a rule, not a race against the clock.

The same data, config and kind of device give the same answer each time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

STEPS_PER_EPOCH = 32
"""An automatic batch aims at this many steps an epoch."""
SMALLEST = 32
LARGEST = 256
EVALUATION = 4096
"""Rows of an evaluation batch, where memory allows."""
_MEMORY_SHARE = 0.25
"""Share of the device's memory that activations may take."""


def rule(num_rows: int) -> int:
    """The power of two nearest to rows / STEPS_PER_EPOCH, from SMALLEST to LARGEST."""
    wanted = 2 ** round(math.log2(max(1.0, num_rows / STEPS_PER_EPOCH)))
    return int(min(max(wanted, SMALLEST), LARGEST))


def fitting(rows: int, bytes_per_row: int, device: torch.device) -> int:
    """`rows`, halved until their activations fit into the device's share; never below 1."""
    budget = _MEMORY_SHARE * device_memory(device)
    while rows > 1 and rows * bytes_per_row > budget:
        rows //= 2
    return rows


def activation_bytes(network: nn.Module, forward: Callable[[], Tensor], num_rows: int) -> int:
    """Bytes a row that a forward pass of `num_rows` rows keeps for the backward pass.

    Counted, not timed, so it is the same each time. Weights that are kept too are not counted.
    """
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = forward()
    del loss
    return max(1, sum(kept.values()) // num_rows)


def device_memory(device: torch.device) -> int:
    """Bytes of memory of the device as a whole, so that other programs do not change the answer."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return host_memory()


def host_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or the limit of its container (cgroup)."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            return min(physical, int(text))
    return physical
