"""The steps of a sequence as vectors, and what encoders of sequences share. N rows, T steps, D units."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.reduce import Reducer
from ostinato.blocks.nn.standardize import Standardize
from ostinato.blocks.spec import Initializer
from ostinato.encoders.sequence.spec import SequenceEncoderSpec
from ostinato.errors import ConfigError, Problem
from ostinato.module import Encoder
from ostinato.shape import Shape


class Steps(nn.Module, ABC):
    """A vector for each step."""

    size: int
    """D."""

    def fit(self, column: Tensor) -> None:
        """Learns from training rows [N, T] what is no weight."""

    @abstractmethod
    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""

    @abstractmethod
    def forward(self, column: Tensor, mask: Tensor) -> Tensor:
        """[N, T], [N, T] -> [N, T, D]; padding is 0."""


class Codes(Steps):
    """The codes as they are."""

    size = 1

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.padding_code = shape.padding_code

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return column != self.padding_code

    def forward(self, column: Tensor, mask: Tensor) -> Tensor:
        """[N, T] codes, [N, T] -> [N, T, 1]."""
        return (column.to(torch.float32) * mask).unsqueeze(-1)


class Symbols(Codes):
    """A vector for each code."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape, initializer: Initializer | None) -> None:
        super().__init__(shape)
        is_sparse = spec.representation == "sparse"
        self.size = shape.vocab_size if is_sparse else min(spec.embedding_size, shape.vocab_size)
        self.table = embedding(
            shape.vocab_size,
            self.size,
            "identity" if is_sparse else initializer,
            trainable=spec.embeddings_trainable and not is_sparse,
        )
        self.dropout = nn.Dropout(spec.dropout) if spec.dropout else nn.Identity()

    def forward(self, column: Tensor, mask: Tensor) -> Tensor:
        """[N, T] codes, [N, T] -> [N, T, D]."""
        vectors: Tensor = self.dropout(self.table(column))
        return vectors * mask.unsqueeze(-1)


class Numbers(Steps):
    """The numbers of a series, standardized."""

    size = 1

    def __init__(self) -> None:
        super().__init__()
        self.standardize = Standardize()

    def fit(self, column: Tensor) -> None:
        """Takes the mean and deviation of [N, T] numbers."""
        self.standardize.fit(column)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return ~column.isnan()

    def forward(self, column: Tensor, mask: Tensor) -> Tensor:
        """[N, T] numbers, [N, T] -> [N, T, 1]."""
        standardized: Tensor = self.standardize(column)
        return standardized.unsqueeze(-1)


class SequenceEncoder(Encoder):
    """An encoder that knows which steps are padding."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape, initializer: Initializer | None = None) -> None:
        super().__init__()
        if spec.max_sequence_length is not None and spec.max_sequence_length < shape.length:
            raise ConfigError(
                Problem(
                    "encoder.max_sequence_length",
                    f"found {spec.max_sequence_length}, but the sequences have {shape.length} steps",
                    hint="set preprocessing.max_sequence_length",
                )
            )
        self.steps: Steps
        if shape.kind == "series":
            self.steps = Numbers()
        elif getattr(spec, "should_embed", True):
            self.steps = Symbols(spec, shape, initializer)
        else:
            self.steps = Codes(shape)

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Learns from encoded training rows [N, T] what is no weight."""
        self.steps.fit(column)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return self.steps.mask(column)


def output_shape(reduce: Reducer | None, length: int, size: int) -> tuple[int, ...]:
    """Of an encoder: (T, D) of a sequence that is not reduced, (D,) else."""
    return (length, size) if reduce is None else (reduce.output_size,)
