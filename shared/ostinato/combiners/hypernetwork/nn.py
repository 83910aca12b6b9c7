"""Hypernetwork. N rows, I input units, H units, R units of the small network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.activations import activation, units_before
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.tokens import num_units, vectors
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.hypernetwork.spec import HypernetworkSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(HypernetworkSpec)
class Hypernetwork(Combiner):
    """W x + U (g(x) * V x) + b(x): a row has weights W + U diag(g) V and a bias of its own (after Ha et al. 2017)."""

    def __init__(self, spec: HypernetworkSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size, rank = num_units(blocks), spec.hyper_hidden_size
        units = units_before(spec.activation, spec.hidden_size)
        self.hyper = nn.Sequential(nn.Linear(size, rank), nn.ReLU())
        self.scales = nn.Linear(rank, rank)
        self.bias = nn.Linear(rank, units)
        self.shared = nn.Linear(size, units, bias=False)
        self.down = nn.Linear(size, rank, bias=False)
        self.up = nn.Linear(rank, units, bias=False)
        self.after = nn.Sequential(
            *([activation(spec.activation)] if spec.activation is not None else []), nn.Dropout(spec.dropout)
        )
        layers = FCStackSpec(
            num_layers=spec.num_fc_layers,
            output_size=spec.output_size,
            dropout=spec.dropout,
            activation=spec.activation,
        )
        self.stack = FCStack(layers, spec.hidden_size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        x = vectors(encodings)
        hyper = self.hyper(x)
        made = self.up(torch.tanh(self.scales(hyper)) * self.down(x))
        combined: Tensor = self.stack(self.after(self.shared(x) + made + self.bias(hyper)))
        return combined
