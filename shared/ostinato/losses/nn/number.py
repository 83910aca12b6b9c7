"""Losses of numbers, and of vectors of T numbers. N rows; T is 1 for a number."""

from __future__ import annotations

from abc import abstractmethod

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
    """Each logit is a prediction, of a number on the normalized scale."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., T] -> [..., T]."""
        return logits

    @abstractmethod
    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T], what is made small."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N] or [N, T] -> [N], the mean over the numbers of a row."""
        return self.errors(logits, targets.reshape(logits.shape)).mean(dim=-1)


class SquaredLoss(NumberLoss):
    """Squared error."""

    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T]."""
        return F.mse_loss(logits, targets, reduction="none")


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

    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T]."""
        return F.l1_loss(logits, targets, reduction="none")


@implements(HuberSpec)
class Huber(NumberLoss):
    """Squared for small errors, absolute for large ones."""

    def __init__(self, spec: HuberSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.delta = spec.delta

    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T]."""
        return F.huber_loss(logits, targets, reduction="none", delta=self.delta)


class PercentageLoss(NumberLoss):
    """Errors relative to the target, in the column's own units."""

    def relative(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T] errors divided by the targets' size.

        A target nearer to 0 than a thousandth of the column's scale counts as that far, or one row would be all.
        """
        predicted, true = _in_units(logits, self.shape), _in_units(targets, self.shape)
        return (predicted - true) / true.abs().clamp_min(1e-3 * abs(self.shape.scale))


@implements(MeanAbsolutePercentageErrorSpec)
class MeanAbsolutePercentageError(PercentageLoss):
    """Absolute error relative to the target."""

    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T]."""
        return self.relative(logits, targets).abs()


@implements(RootMeanSquaredPercentageErrorSpec)
class RootMeanSquaredPercentageError(PercentageLoss):
    """Root of the mean of squared errors relative to the target."""

    is_mean = False

    def errors(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T]."""
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
