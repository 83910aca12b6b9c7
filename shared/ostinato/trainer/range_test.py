"""A learning rate where the config says `auto`: by a short training with a rising rate (Smith 2017, section 3.3)."""

from __future__ import annotations

import copy
import itertools
import math

import torch

from ostinato.config import Config
from ostinato.model.ecd import ECD
from ostinato.trainer.processes import Processes
from ostinato.trainer.rows import Rows
from ostinato.trainer.step import Stepper

_LOWEST, _HIGHEST = 1e-5, 1.0
_STEPS = 100
_SMOOTHING = 0.9
"""Share of the loss so far in the smoothed loss."""
_DIVERGED = 4.0
"""Times the lowest loss at which the test ends."""
_BELOW = 10.0
"""The rate with the lowest loss is at the edge of what works; a tenth of it is well within."""
BOUNDS = 1e-4, 1e-2
"""Rates outside are what a few noisy steps found, not what trains."""


def find_learning_rate(
    model: ECD, config: Config, training: Rows, batch_size: int, *, seed: int, processes: Processes
) -> float:
    """The rate; the model, and everybody's random numbers, stay as they are. The same on every process."""
    cuda = [processes.device] if processes.device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(seed)
        return processes.told(
            _found(copy.deepcopy(model), config, training, batch_size, seed=seed, device=processes.device)
        )


def _found(model: ECD, config: Config, training: Rows, batch_size: int, *, seed: int, device: torch.device) -> float:
    model.train()
    spec = config.trainer.model_copy(update={"compile": False})
    stepper = Stepper(model, spec, _LOWEST, Processes(device=device), training.sample(1))
    order = torch.Generator().manual_seed(seed)
    passes = (training.batches(batch_size, order) for _ in itertools.count())
    smooth, lowest, best = 0.0, math.inf, BOUNDS[1] * _BELOW
    for number, batch in enumerate(itertools.islice(itertools.chain.from_iterable(passes), _STEPS)):
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (_STEPS - 1))
        loss = float(stepper.accumulate(batch, 1, len(next(iter(batch.values()))))[0])
        smooth = _SMOOTHING * smooth + (1 - _SMOOTHING) * loss
        unbiased = smooth / (1 - _SMOOTHING ** (number + 1))
        if not math.isfinite(loss) or (number and unbiased > _DIVERGED * lowest):
            break
        if unbiased < lowest:
            lowest, best = unbiased, rate
        stepper.update(rate)
    return min(max(best / _BELOW, BOUNDS[0]), BOUNDS[1])
