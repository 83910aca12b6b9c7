"""The parts of a network. Every part takes its spec whole and the shapes it must know: `__init__(spec, shape)`.

N rows, T steps of a sequence, D units, K classes, E ensemble members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """An encoded column -> a vector a row."""

    output_shape: tuple[int, ...]
    """(D,), or (T, D) where a sequence is not reduced."""

    def fit(self, column: Tensor, targets: Mapping[str, Tensor]) -> None:
        """Learns from the encoded training rows what is no weight (bin edges, target means), before training.

        The result lies in buffers, so it is saved with the weights. Most encoders learn nothing here.
        """

    @abstractmethod
    def forward(self, column: Tensor) -> Tensor:
        """[N] or [N, T] -> [N, D] or [N, T, D]."""


class Combiner(nn.Module, ABC):
    """The encodings of all inputs -> one vector a row."""

    output_size: int
    """D."""
    num_members: int = 1
    """E; above 1 the output is [N, E, D]."""

    @abstractmethod
    def forward(self, encodings: dict[str, Tensor]) -> Tensor:
        """[N, Di] or [N, T, Di] each -> [N, D] or [N, E, D]."""


class Decoder(nn.Module, ABC):
    """Combined features -> logits."""

    hidden_size: int
    """Units of the last hidden layer, which dependent outputs see."""

    @abstractmethod
    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """[..., D] -> (logits [..., K] (K = 1 for number and binary), last hidden layer [..., hidden_size])."""


class Loss(nn.Module, ABC):
    """Logits and targets -> one number."""

    @abstractmethod
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K] logits, [N] targets -> scalar, the mean over rows."""

    def link(self, logits: Tensor) -> Tensor:
        """[N, K] logits -> scores as `OutputColumn.predictions` takes them: the loss's own inverse link."""
        raise AssertionError("every loss says how its logits become scores")
