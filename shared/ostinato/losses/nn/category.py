"""Losses of many classes. N rows, K classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ostinato.losses.spec import SoftmaxCrossEntropySpec
from ostinato.module import Loss
from ostinato.registry import implements
from ostinato.shape import Shape


class CategoryLoss(Loss):
    """A logit a class; their softmax is the probability of each."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] probabilities."""
        return logits.softmax(dim=-1)


@implements(SoftmaxCrossEntropySpec)
class SoftmaxCrossEntropy(CategoryLoss):
    """Cross entropy."""

    def __init__(self, spec: SoftmaxCrossEntropySpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.spec = spec

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        return F.cross_entropy(logits, targets.clamp_min(0).long(), reduction="none")
