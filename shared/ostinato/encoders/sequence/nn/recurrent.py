"""Recurrent networks over time. N rows, T steps, D units."""

from __future__ import annotations

from torch import Tensor

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.recurrence import Recurrence
from ostinato.blocks.nn.reduce import reducer, takes_any_length
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.sequence.nn.convolution import Stack, stacked_layers
from ostinato.encoders.sequence.nn.steps import SequenceEncoder, output_shape
from ostinato.encoders.sequence.spec import CNNRNNSpec, RecurrentSpec, RNNSpec, StackedCNNSpec
from ostinato.registry import implements
from ostinato.shape import Shape


class RecurrentEncoder(SequenceEncoder):
    """A recurrence, after convolutions where there are any, reduced over the sequence, then fully connected."""

    def __init__(
        self, spec: RecurrentSpec, shape: Shape, num_layers: int, convolutions: StackedCNNSpec | None = None
    ) -> None:
        super().__init__(spec, shape)
        layers = () if convolutions is None else stacked_layers(convolutions)
        self.stack = (
            None if convolutions is None else Stack([[layer] for layer in layers], convolutions, self.steps.size)
        )
        length = shape.length if self.stack is None else self.stack.length(shape.length)
        self.recurrence = Recurrence(
            spec, spec.state_size, self.stack.output_size if self.stack else self.steps.size, num_layers
        )
        size = self.recurrence.output_size
        self.reduce = reducer(spec.reduce_output, length, size)
        self.skips_padding = takes_any_length(self.reduce) and not (self.stack and set(self.stack.pool_sizes) != {1})
        dense = FCStackSpec.of(
            spec, num_layers=spec.num_fc_layers, activation=spec.fc_activation, dropout=spec.fc_dropout
        )
        self.dense = FCStack(dense, self.reduce.output_size) if self.reduce is not None else None
        self.output_shape = output_shape(None, length, size) if self.dense is None else (self.dense.output_size,)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T'] true where a step (after pooling) has anything but padding."""
        mask = super().mask(column)
        return mask if self.stack is None else self.stack.mask(mask)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T', D]."""
        mask = super().mask(column)
        x: Tensor = self.steps(column, mask)
        if self.stack is not None:
            x, mask = self.stack(x, mask), self.stack.mask(mask)
        hidden: Tensor = self.recurrence(x, mask)
        if self.reduce is None:
            return hidden
        assert self.dense is not None
        encoded: Tensor = self.dense(self.reduce(hidden, mask))
        return encoded


@implements(RNNSpec)
class RNN(RecurrentEncoder):
    """Cells over the steps (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014)."""

    def __init__(self, spec: RNNSpec, shape: Shape) -> None:
        super().__init__(spec, shape, spec.num_layers)


@implements(CNNRNNSpec)
class CNNRNN(RecurrentEncoder):
    """Convolutions, then cells over what they give."""

    def __init__(self, spec: CNNRNNSpec, shape: Shape) -> None:
        super().__init__(spec, shape, spec.num_rec_layers, spec.convolutions)
