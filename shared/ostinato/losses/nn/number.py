"""Losses of numbers. N rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.losses.spec import (
    HuberSpec,
    MeanAbsoluteErrorSpec,
    MeanAbsolutePercentageErrorSpec,
    MeanSquaredErrorSpec,
    RootMeanSquaredErrorSpec,
    RootMeanSquaredPercentageErrorSpec,
)
from ostinato.module import Loss, SumUp
from ostinato.registry import implements
from ostinato.shape import Shape

_LARGEST_EXPONENT = 80.0
"""exp of this still is a float32."""


class NumberLoss(Loss):
    """One logit, which is the prediction on the normalized scale."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., 1] -> [..., 1]."""
        return logits


class SquaredLoss(NumberLoss):
    """Squared error."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        return F.mse_loss(logits.squeeze(-1), targets, reduction="none")


@implements(MeanSquaredErrorSpec)
class MeanSquaredError(SquaredLoss):
    """Mean of squared errors."""


@implements(RootMeanSquaredErrorSpec)
class RootMeanSquaredError(SquaredLoss):
    """Root of the mean of squared errors."""

    is_mean = False

    def forward(self, logits: Tensor, targets: Tensor, sum_up: SumUp | None = None) -> Tensor:
        """[N, 1], [N] -> scalar."""
        return _root(super().forward(logits, targets, sum_up))


@implements(MeanAbsoluteErrorSpec)
class MeanAbsoluteError(NumberLoss):
    """Absolute error."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        return F.l1_loss(logits.squeeze(-1), targets, reduction="none")


@implements(HuberSpec)
class Huber(NumberLoss):
    """Squared for small errors, absolute for large ones."""

    def __init__(self, spec: HuberSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.delta = spec.delta

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        return F.huber_loss(logits.squeeze(-1), targets, reduction="none", delta=self.delta)


class PercentageLoss(NumberLoss):
    """Errors relative to the target, in the column's own units."""

    def relative(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N] errors divided by the targets' size.

        A target nearer to 0 than a thousandth of the column's scale counts as that far, or one row would be all.
        """
        predicted, true = _in_units(logits.squeeze(-1), self.shape), _in_units(targets, self.shape)
        return (predicted - true) / true.abs().clamp_min(1e-3 * abs(self.shape.scale))


@implements(MeanAbsolutePercentageErrorSpec)
class MeanAbsolutePercentageError(PercentageLoss):
    """Absolute error relative to the target."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        return self.relative(logits, targets).abs()


@implements(RootMeanSquaredPercentageErrorSpec)
class RootMeanSquaredPercentageError(PercentageLoss):
    """Root of the mean of squared errors relative to the target."""

    is_mean = False

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        return self.relative(logits, targets).square()

    def forward(self, logits: Tensor, targets: Tensor, sum_up: SumUp | None = None) -> Tensor:
        """[N, 1], [N] -> scalar."""
        return _root(super().forward(logits, targets, sum_up))


def _in_units(encoded: Tensor, shape: Shape) -> Tensor:
    values = encoded * shape.scale + shape.offset
    return torch.expm1(values.clamp_max(_LARGEST_EXPONENT)) if shape.log1p else values


def _root(mean: Tensor) -> Tensor:
    # The root has no gradient at 0.
    return (mean + 1e-12).sqrt()
