"""Symbols as vectors, and what encoders of sequences share. N rows, T steps, V codes, D units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.reduce import Reducer
from ostinato.blocks.spec import Initializer
from ostinato.encoders.sequence.spec import SequenceEncoderSpec
from ostinato.errors import ConfigError, Problem
from ostinato.module import Encoder
from ostinato.shape import Shape


class Symbols(nn.Module):
    """A vector for each step; padding is 0."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape, initializer: Initializer | None) -> None:
        super().__init__()
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


class SequenceEncoder(Encoder):
    """An encoder that knows which steps are padding."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape) -> None:
        super().__init__()
        if spec.max_sequence_length is not None and spec.max_sequence_length < shape.length:
            raise ConfigError(
                Problem(
                    "encoder.max_sequence_length",
                    f"found {spec.max_sequence_length}, but the sequences have {shape.length} steps",
                    hint="set preprocessing.max_sequence_length",
                )
            )
        self.padding_code = shape.padding_code

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return column != self.padding_code


def vectors_of(symbols: Symbols | None, column: Tensor, mask: Tensor) -> Tensor:
    """[N, T] codes, [N, T] -> [N, T, D]; the codes themselves where they are not embedded."""
    if symbols is not None:
        embedded: Tensor = symbols(column, mask)
        return embedded
    return (column.to(torch.float32) * mask).unsqueeze(-1)


def output_shape(reduce: Reducer | None, length: int, size: int) -> tuple[int, ...]:
    """Of an encoder: (T, D) of a sequence that is not reduced, (D,) else."""
    return (length, size) if reduce is None else (reduce.output_size,)
