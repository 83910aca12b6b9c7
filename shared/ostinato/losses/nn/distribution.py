"""Losses of targets that are probabilities. N rows, K classes."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.losses.spec import VectorCrossEntropySpec
from ostinato.module import Loss
from ostinato.registry import implements
from ostinato.shape import Shape
from ostinato.spec import Spec


class ExpectedLoss(Loss):
    """A loss of classes, expected over a target that is a distribution over them."""

    def __init__(self, spec: Spec, shape: Shape, loss: Loss) -> None:
        super().__init__(spec, shape)
        self.loss = loss

    @property
    def num_logits(self) -> int:
        """K: logits that a decoder must give."""
        return self.loss.num_logits

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K] logits, [N, K] probabilities -> [N]."""
        each = [self.loss.rows(logits, self._all_of(code, targets)) for code in range(targets.shape[1])]
        mixed = torch.stack(each, dim=1) * self._shares(targets)
        return mixed.sum(dim=1) / self.weights(targets)

    def weights(self, targets: Tensor) -> Tensor:
        """[N, K] -> [N], the weight that is expected."""
        return self._shares(targets).sum(dim=1)

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] probabilities."""
        return self.loss.link(logits)

    def _shares(self, targets: Tensor) -> Tensor:
        """[N, K] probabilities times the weights of the classes."""
        columns = []
        for code in range(targets.shape[1]):
            weights = self.loss.weights(self._all_of(code, targets))
            columns.append(targets[:, code] if weights is None else targets[:, code] * weights)
        return torch.stack(columns, dim=1)

    def _all_of(self, code: int, targets: Tensor) -> Tensor:
        return torch.full((len(targets),), code, dtype=torch.int32, device=targets.device)


@implements(VectorCrossEntropySpec)
class VectorCrossEntropy(Loss):
    """Cross entropy of the softmax of the logits with a vector of probabilities."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N]."""
        return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1)

    def link(self, logits: Tensor) -> Tensor:
        """[..., T] -> [..., T] probabilities."""
        return logits.softmax(dim=-1)
