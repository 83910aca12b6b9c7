"""Layers of recurrent cells. N rows, T steps, I input units, D units of a state.

Padding makes no difference: a row is turned so that its steps begin at the first place, and for the way back only these
are reversed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.spec import RecurrenceSpec

_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
_GATES = {"rnn": 1, "lstm": 4, "gru": 3}
_FORGET = 1
"""The second of the four gates of torch's LSTM."""


class Recurrence(nn.Module):
    """Layers of cells, in one direction or both."""

    def __init__(self, spec: RecurrenceSpec, state_size: int, input_size: int, num_layers: int) -> None:
        super().__init__()
        directions = 2 if spec.bidirectional else 1
        self.output_size = directions * state_size
        sizes = [input_size, *[self.output_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(
            nn.ModuleList(_cell(spec, state_size, size) for _ in range(directions)) for size in sizes
        )
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


def _cell(spec: RecurrenceSpec, state_size: int, input_size: int) -> nn.RNNBase:
    """One layer in one direction, initialized."""
    cell = _CELLS[spec.cell_type](input_size, state_size, bias=spec.use_bias, batch_first=True)
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
