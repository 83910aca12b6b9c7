"""Embed. N rows, T symbols, D units."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.encoders.set.spec import EmbedSetSpec
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(EmbedSetSpec)
class EmbedSet(Encoder):
    """The sum of the symbols' vectors, then fully connected layers."""

    skips_padding = True

    def __init__(self, spec: EmbedSetSpec, shape: Shape) -> None:
        super().__init__()
        is_sparse = spec.representation == "sparse"
        wanted = spec.embedding_size if spec.force_embedding_size else min(spec.embedding_size, shape.vocab_size)
        self.padding_code = shape.padding_code
        self.table = embedding(
            shape.vocab_size,
            shape.vocab_size if is_sparse else wanted,
            "identity" if is_sparse else None,
            trainable=spec.embeddings_trainable and not is_sparse,
        )
        self.stack = FCStack(spec.stack, self.table.embedding_dim)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D]; a value without symbols is 0 before the layers."""
        present = (column != self.padding_code).to(self.table.weight.dtype)
        summed = torch.bmm(present.unsqueeze(1), self.table(column)).squeeze(1)
        encoded: Tensor = self.stack(summed)
        return encoded
