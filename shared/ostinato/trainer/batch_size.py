"""How many rows a step takes where the config says `auto`: a rule, not a race against the clock.

The same data, config and kind of device give the same answer each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.resources import host_memory
from ostinato.trainer.processes import Processes
from ostinato.trainer.spec import TrainerSpec

STEPS_PER_EPOCH = 64
"""An automatic batch aims at this many steps an epoch."""
SMALLEST = 32
LARGEST = 256
EVALUATION = 4096
"""Rows of an evaluation batch, where memory allows."""
PART_BYTES = 1 << 25
"""Activations of what a CPU works on at once. More leave its caches, and are given back to the system at every step."""
_MEMORY_SHARE = 0.25
"""Share of the device's memory that activations may take."""


@dataclass(frozen=True)
class BatchPlan:
    """Rows of a step, steps of an update of the weights, rows of an evaluation step; over all processes."""

    batch_size: int
    accumulation: int
    eval_batch_size: int
    grown: int = 1
    """Times that the batch is larger than one process's, because each process takes as many rows as the config says."""


def plan_batches(spec: TrainerSpec, num_rows: int, bytes_per_row: int, processes: Processes) -> BatchPlan:
    """What the config says, and for `auto`: the rule of rows, halved until the activations fit into memory.

    `batch_size` is what each process takes, `effective_batch_size` what all take together; an automatic batch is shared
    by all. `bytes_per_row` is what `activation_bytes` counted.
    """
    wanted, size, steps = (
        _given(value) for value in (spec.effective_batch_size, spec.batch_size, spec.gradient_accumulation_steps)
    )
    count, device = processes.size, processes.device
    grown = 1
    if wanted is not None and (steps is not None or size is not None):
        steps = steps or max(1, wanted // ((size or wanted) * count))
        size = max(1, wanted // steps)
    elif size is not None:
        grown, size = count, size * count
    else:
        most = min(spec.max_batch_size or num_rows, num_rows, (wanted or num_rows) // (steps or 1))
        size = max(1, min(count * fitting(-(-rule(num_rows) // count), bytes_per_row, device), most))
        if wanted is not None:
            # The largest batch up to the rule's that divides what was asked for.
            size = next(smaller for smaller in range(size, 0, -1) if wanted % smaller == 0)
            steps = wanted // size
    evaluation = None if spec.eval_batch_size is None else _given(spec.eval_batch_size)
    largest = max(size, count * fitting(EVALUATION, bytes_per_row, device))
    if device.type == "cpu":
        largest = count * min(EVALUATION, part_rows(bytes_per_row))
    return BatchPlan(size, steps or 1, evaluation * count if evaluation else largest, grown)


def _given(value: int | str) -> int | None:
    return value if isinstance(value, int) else None


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


def part_rows(bytes_per_row: int) -> int:
    """Rows that a CPU works on at once; at least 1."""
    return max(1, PART_BYTES // bytes_per_row)


def activation_bytes(network: nn.Module, loss: Callable[[], Tensor], num_rows: int) -> int:
    """Bytes a row that computing the loss of `num_rows` rows keeps for the backward pass.

    Counted, not timed, so it is the same each time. Weights that are kept too are not counted. Leaves the network's
    buffers and the random numbers as they were.
    """
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    cuda = [parameter.device for parameter in network.parameters() if parameter.device.type == "cuda"]
    with torch.random.fork_rng(cuda[:1]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # Kept alive until the count is complete, so that no memory is given out twice.
        graph = loss()
    del graph
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            buffer.copy_(before[name])
    return max(1, sum(kept.values()) // num_rows)


def device_memory(device: torch.device) -> int:
    """Bytes of memory of the device as a whole, so that other programs do not change the answer."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return host_memory()
