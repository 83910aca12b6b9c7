"""The parts of a network. Every part takes its spec whole and the sizes it must know.

N rows, F features, T steps of a sequence, D units, K logits, E ensemble members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.shape import Shape
from ostinato.spec import Spec


@dataclass(frozen=True)
class Block:
    """What a combiner must know of one tensor of encodings: [N, F, D], or [N, T, D] of one unreduced sequence."""

    features: tuple[str, ...]
    """The F features, in order; one where the block is a sequence."""
    size: int
    """D."""
    length: int = 0
    """T of an unreduced sequence; 0 where the block is none."""
    types: tuple[str, ...] = ()
    """Feature type of each feature."""

    @property
    def is_sequence(self) -> bool:
        """Whether the block is an unreduced sequence."""
        return self.length > 0


class Encoder(nn.Module, ABC):
    """An encoded column -> a vector a row. Built from its spec and the column's shape."""

    output_shape: tuple[int, ...]
    """(D,), or (T, D) where a sequence is not reduced."""
    skips_padding: bool = False
    """Whether it gives the same without the first and last steps, where these are padding in every row."""

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Learns from encoded training rows what is no weight (target means), before training.

        The result lies in buffers, so it is saved with the weights. Most encoders learn nothing here.
        `target` is the encoded first output, where there is one.
        """

    def mask(self, column: Tensor) -> Tensor | None:
        """[N, T] true where a step of an unreduced sequence is no padding; None where there is no padding."""
        return None

    @abstractmethod
    def forward(self, column: Tensor) -> Tensor:
        """[N] or [N, T] -> [N, D] or [N, T, D]."""


class GroupEncoder(nn.Module, ABC):
    """Encodes features of equal spec side by side, in one operation. Built from the spec and F shapes."""

    output_size: int
    """D."""

    def fit(self, columns: Tensor) -> None:
        """Learns from encoded training rows [N, F] what is no weight (bin edges), before training."""

    @abstractmethod
    def forward(self, columns: Tensor) -> Tensor:
        """[N, F] -> [N, F, D]."""


class Combiner(nn.Module, ABC):
    """The encodings of all inputs -> one vector a row. Built from its spec and the blocks."""

    output_size: int
    """D."""
    num_members: int = 1
    """E; above 1 the output is [N, E, D]."""
    output_length: int = 0
    """T where the output is an unreduced sequence [N, T, D]; else 0."""
    penalty: Tensor | None = None
    """What the last pass in training adds to the loss; None for nothing."""

    def mask(self, masks: Sequence[Tensor | None]) -> Tensor | None:
        """[N, T] true where a step of an unreduced output is no padding: where any of the sequences has a step.

        None where one of the blocks has no padding at all.
        """
        known = [mask for mask in masks if mask is not None]
        return torch.stack(known).any(dim=0) if known and len(known) == len(masks) else None

    @abstractmethod
    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] for each block -> [N, D], [N, E, D] or [N, T, D]."""


class Decoder(nn.Module, ABC):
    """Combined features -> logits. Built from its spec, the units it gets, the logits it gives and the members."""

    hidden_size: int
    """Units of the last hidden layer, which dependent outputs see."""

    @abstractmethod
    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """[N, D] or [N, E, D] -> (logits [..., K], last hidden layer [..., hidden_size])."""


class Loss(nn.Module, ABC):
    """Logits and targets -> one number. Built from its spec and the shape of the output."""

    is_mean: bool = True
    """Whether it is the weighted mean of `rows`; then the loss of a batch follows from those of its parts."""

    def __init__(self, spec: Spec, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    @property
    def num_logits(self) -> int:
        """K: logits that a decoder must give."""
        return self.shape.num_scores

    @property
    def num_scores(self) -> int:
        """Size of the last dimension of `link`."""
        return self.shape.num_scores

    @abstractmethod
    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K] logits, [N] or [N, T] targets -> [N], the loss of each row; of an unknown target anything."""

    @abstractmethod
    def link(self, logits: Tensor) -> Tensor:
        """[..., K] logits -> [..., num_scores]: the prediction on the normalized scale, or probabilities."""

    def weights(self, targets: Tensor) -> Tensor | None:
        """[N] weight of each row; 0 leaves a row out; None where all rows count alike."""
        return (targets >= 0).to(torch.float32) if self.shape.kind in ("binary", "code") else None

    def total_weight(self, targets: Tensor) -> Tensor:
        """[N] or [N, T] targets -> scalar, the sum of the rows' weights."""
        weights = self.weights(targets)
        return torch.tensor(float(len(targets)), device=targets.device) if weights is None else weights.sum()

    def forward(self, logits: Tensor, targets: Tensor, sum_up: SumUp | None = None) -> Tensor:
        """[N, K] logits, [N] or [N, T] targets -> scalar, the weighted mean over rows; 0 where no row counts.

        With `sum_up`, the mean over the rows of all processes that share the batch.
        """
        return weighted_mean(self.rows(logits, targets), self.weights(targets), sum_up)


SumUp = Callable[[Tensor], Tensor]
"""What this process has -> the sum of what all have; the gradient is that of this process's part."""


def weighted_mean(rows: Tensor, weights: Tensor | None, sum_up: SumUp | None = None) -> Tensor:
    """[N] losses, [N] weights -> scalar; 0 where no row counts."""
    if sum_up is not None:
        ones = torch.ones_like(rows) if weights is None else weights
        summed = sum_up(torch.stack([(rows * ones).sum(), ones.sum()]))
        return summed[0] / summed[1].clamp_min(torch.finfo(summed.dtype).tiny)
    if weights is None:
        return rows.mean()
    # Not `rows[weights > 0]`: a shape that depends on the data breaks torch.compile.
    return (rows * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
