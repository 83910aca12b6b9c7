"""Keeps gradients in the range of float16: the loss is scaled up before the gradient (Micikevicius et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.trainer.optimizer import local
from ostinato.trainer.processes import Processes

_GROWS_AFTER = 2000
"""Updates without an overflow after which the scale doubles."""


@dataclass
class LossScale:
    """The factor, which halves where gradients overflow and slowly grows again."""

    factor: float = 2.0**16
    good: int = 0
    """Updates since it changed."""

    def undo(self, parameters: Sequence[nn.Parameter], processes: Processes) -> bool:
        """Divides the gradients by the factor; False where they overflowed, so that this update must be left out."""
        gradients = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
        with torch.no_grad():
            torch._foreach_mul_(gradients, 1 / self.factor)
            is_finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
        (overflowed,) = processes.largest([float(not is_finite)])
        if overflowed:
            self.factor, self.good = self.factor / 2, 0
            return False
        self.good += 1
        if self.good == _GROWS_AFTER:
            self.factor, self.good = self.factor * 2, 0
        return True
