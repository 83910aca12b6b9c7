"""Embed. N rows, T steps, D units."""

from __future__ import annotations

from torch import Tensor

from ostinato.blocks.nn.reduce import reducer, takes_any_length
from ostinato.encoders.sequence.nn.steps import SequenceEncoder, output_shape
from ostinato.encoders.sequence.spec import EmbedSpec
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(EmbedSpec)
class Embed(SequenceEncoder):
    """A vector for each step, reduced over the sequence."""

    def __init__(self, spec: EmbedSpec, shape: Shape) -> None:
        super().__init__(spec, shape, spec.weights_initializer)
        self.reduce = reducer(spec.reduce_output, shape.length, self.steps.size)
        self.skips_padding = takes_any_length(self.reduce)
        self.output_shape = output_shape(self.reduce, shape.length, self.steps.size)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T, D]."""
        mask = self.mask(column)
        vectors: Tensor = self.steps(column, mask)
        return vectors if self.reduce is None else self.reduce(vectors, mask)
