"""Losses of sets. N rows, T codes of a target, K symbols."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.blocks.nn.multi_hot import multi_hot
from ostinato.losses.nn.classes import given_class_weights
from ostinato.losses.spec import SigmoidCrossEntropySpec
from ostinato.module import Loss
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(SigmoidCrossEntropySpec)
class SigmoidCrossEntropy(Loss):
    """Binary cross entropy of each symbol, the mean over the symbols."""

    positive_weights: Tensor | None

    def __init__(self, spec: SigmoidCrossEntropySpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.register_buffer("positive_weights", _positive_weights(spec, shape), persistent=False)

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N, T] -> [N]."""
        has = multi_hot(targets, logits.shape[-1])
        each = F.binary_cross_entropy_with_logits(logits, has, pos_weight=self.positive_weights, reduction="none")
        return each.mean(dim=-1)

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] the probability of each symbol."""
        return torch.sigmoid(logits)


def _positive_weights(spec: SigmoidCrossEntropySpec, shape: Shape) -> Tensor | None:
    if spec.class_weights != "balanced":
        return given_class_weights(spec.class_weights, shape.classes)
    having = torch.tensor(shape.class_counts, dtype=torch.float64).clamp_min(1)
    return ((shape.rows - having).clamp_min(1) / having).float()
