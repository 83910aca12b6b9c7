"""Losses of binary outputs alone. N rows; one logit a row, that of true."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.losses.nn.classes import ClassesLoss
from ostinato.losses.spec import BinaryWeightedCrossEntropySpec
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(BinaryWeightedCrossEntropySpec)
class BinaryWeightedCrossEntropy(ClassesLoss):
    """Cross entropy of two classes."""

    def __init__(self, spec: BinaryWeightedCrossEntropySpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.positive_weight = 1.0 if spec.positive_class_weight is None else spec.positive_class_weight
        self.robust_lambda = spec.robust_lambda
        self.confidence_penalty = spec.confidence_penalty

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, 1], [N] -> [N]."""
        logit, target = logits.squeeze(-1), targets.clamp_min(0).to(logits.dtype)
        rows = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
        if self.positive_weight != 1.0:
            rows = rows * (1 + (self.positive_weight - 1) * target)
        if self.robust_lambda:
            rows = (1 - self.robust_lambda) * rows + self.robust_lambda / 2
        if self.confidence_penalty:
            entropy = F.binary_cross_entropy_with_logits(logit, torch.sigmoid(logit), reduction="none")
            rows = rows + self.confidence_penalty * (1 - entropy / math.log(2))
        return rows
