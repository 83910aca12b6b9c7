"""Recurrent networks over time. N rows, T steps, I input units, D units of a state.

Padding makes no difference: a row is turned so that its steps begin at the first place, and for the way back only these
are reversed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.nn.reduce import reducer, takes_any_length
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.sequence.nn.convolution import Stack, stacked_layers
from ostinato.encoders.sequence.nn.symbols import SequenceEncoder, Symbols, output_shape, vectors_of
from ostinato.encoders.sequence.spec import CNNRNNSpec, RecurrentSpec, RNNSpec
from ostinato.registry import implements
from ostinato.shape import Shape

_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
_GATES = {"rnn": 1, "lstm": 4, "gru": 3}
_FORGET = 1
"""The second of the four gates of torch's LSTM."""


class Recurrence(nn.Module):
    """Layers of cells, in one direction or both."""

    def __init__(self, spec: RecurrentSpec, input_size: int, num_layers: int) -> None:
        super().__init__()
        directions = 2 if spec.bidirectional else 1
        self.output_size = directions * spec.state_size
        sizes = [input_size, *[self.output_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.ModuleList(_cell(spec, size) for _ in range(directions)) for size in sizes)
        self.dropout = nn.Dropout(spec.recurrent_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, T, I], [N, T] -> [N, T, output_size]; where there is padding, 0."""
        steps = torch.arange(x.shape[1], device=x.device)
        lengths, start = mask.sum(dim=1, keepdim=True), mask.to(torch.int32).argmax(dim=1, keepdim=True)
        x = _moved(x, (steps + start) % x.shape[1])
        reverse = torch.where(steps < lengths, lengths - 1 - steps, steps)
        for number, directions in enumerate(self.layers):
            assert isinstance(directions, nn.ModuleList)
            x = self.dropout(x) if number else x
            states = [directions[0](x)[0]]
            if len(directions) == 2:
                states.append(_moved(directions[1](_moved(x, reverse))[0], reverse))
            x = torch.cat(states, dim=-1)
        return _moved(x, (steps - start) % x.shape[1]) * mask.unsqueeze(-1)


class RecurrentEncoder(SequenceEncoder):
    """A recurrence, reduced over the sequence, then fully connected."""

    def __init__(self, spec: RecurrentSpec, shape: Shape, input_size: int, length: int, num_layers: int) -> None:
        super().__init__(spec, shape)
        self.recurrence = Recurrence(spec, input_size, num_layers)
        size = self.recurrence.output_size
        self.reduce = reducer(spec.reduce_output, length, size)
        self.skips_padding = takes_any_length(self.reduce)
        layers = FCStackSpec.of(
            spec, num_layers=spec.num_fc_layers, activation=spec.fc_activation, dropout=spec.fc_dropout
        )
        self.dense = FCStack(layers, self.reduce.output_size) if self.reduce is not None else None
        self.output_shape = output_shape(None, length, size) if self.dense is None else (self.dense.output_size,)

    def encoded(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, T, I], [N, T] -> [N, D] or [N, T, D]."""
        hidden: Tensor = self.recurrence(x, mask)
        if self.reduce is None:
            return hidden
        assert self.dense is not None
        encoded: Tensor = self.dense(self.reduce(hidden, mask))
        return encoded


@implements(RNNSpec)
class RNN(RecurrentEncoder):
    """Cells over the symbols (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014)."""

    def __init__(self, spec: RNNSpec, shape: Shape) -> None:
        symbols = Symbols(spec, shape, None) if spec.should_embed else None
        super().__init__(spec, shape, symbols.size if symbols else 1, shape.length, spec.num_layers)
        self.symbols = symbols

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T, D]."""
        mask = self.mask(column)
        return self.encoded(vectors_of(self.symbols, column, mask), mask)


@implements(CNNRNNSpec)
class CNNRNN(RecurrentEncoder):
    """Convolutions, then cells over what they give."""

    def __init__(self, spec: CNNRNNSpec, shape: Shape) -> None:
        symbols = Symbols(spec, shape, None) if spec.should_embed else None
        convolutions = spec.convolutions
        stack = Stack([[layer] for layer in stacked_layers(convolutions)], convolutions, symbols.size if symbols else 1)
        super().__init__(spec, shape, stack.output_size, stack.length(shape.length), spec.num_rec_layers)
        self.symbols, self.stack = symbols, stack
        self.skips_padding = self.skips_padding and set(stack.pool_sizes) == {1}

    def mask(self, column: Tensor) -> Tensor:
        """[N, T'] true where a step (after pooling) has anything but padding."""
        return self.stack.mask(super().mask(column))

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T', D]."""
        steps = super().mask(column)
        hidden = self.stack(vectors_of(self.symbols, column, steps), steps)
        return self.encoded(hidden, self.stack.mask(steps))


def _cell(spec: RecurrentSpec, input_size: int) -> nn.RNNBase:
    """One layer in one direction, initialized."""
    cell = _CELLS[spec.cell_type](input_size, spec.state_size, bias=spec.use_bias, batch_first=True)
    with torch.no_grad():
        for name, weight in cell.named_parameters():
            for gate, part in enumerate(weight.chunk(_GATES[spec.cell_type])):
                if name.startswith("bias"):
                    initialize(part, spec.bias_initializer)
                    # Once: torch adds the two biases of a gate.
                    if spec.cell_type == "lstm" and spec.unit_forget_bias and gate == _FORGET and "_ih" in name:
                        part.add_(1)
                else:
                    initialize(part, spec.recurrent_initializer if "_hh" in name else spec.weights_initializer)
    return cell


def _moved(x: Tensor, index: Tensor) -> Tensor:
    """[N, T, D], [N, T] -> [N, T, D] with the steps in that order."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[2]))
