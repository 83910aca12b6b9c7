"""Gated fusion. N rows, F features, H units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.tokens import Tokens, num_units, token_mask, vectors
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.gated_fusion.spec import GatedFusionSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(GatedFusionSpec)
class GatedFusion(Combiner):
    """sum over features of sigmoid(gate of all) * tanh(projection) (after Arevalo et al. 2017)."""

    def __init__(self, spec: GatedFusionSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.tokens = Tokens(blocks, spec.hidden_size)
        self.gates = nn.Linear(num_units(blocks), len(self.tokens) * spec.hidden_size)
        self.dropout = nn.Dropout(spec.dropout)
        self.stack = FCStack(FCStackSpec.of(spec, num_layers=spec.num_fc_layers), spec.hidden_size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        hidden = torch.tanh(self.tokens(encodings))
        gates = torch.sigmoid(self.gates(vectors(encodings))).view(hidden.shape)
        mask = token_mask(encodings, masks)
        if mask is not None:
            gates = gates * mask.unsqueeze(-1)
        combined: Tensor = self.stack(self.dropout((gates * hidden).sum(dim=1)))
        return combined
