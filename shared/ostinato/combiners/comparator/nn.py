"""Comparator. N rows, D units of an entity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.comparator.spec import ComparatorSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(ComparatorSpec)
class Comparator(Combiner):
    """Both entities, the size of their difference, their dot product and a bilinear product, side by side."""

    def __init__(self, spec: ComparatorSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        units = {name: block.size * max(1, block.length) for block in blocks for name in block.features}
        self.places = {
            name: (index, None if block.is_sequence else place)
            for index, block in enumerate(blocks)
            for place, name in enumerate(block.features)
        }
        """Feature -> its block, and which of its vectors."""
        self.entities = (spec.entity_1, spec.entity_2)
        layers = FCStackSpec.of(spec, num_layers=spec.num_fc_layers)
        stacks = [FCStack(layers, sum(units[name] for name in entity)) for entity in self.entities]
        self.stacks = nn.ModuleList(stacks)
        # The two may be of other features; a layer more makes them comparable where there are no others.
        first, second = (stack.output_size for stack in stacks)
        self.aligned = nn.Linear(second, first) if first != second else nn.Identity()
        self.bilinear = nn.Linear(first, first, bias=False)
        self.output_size = 3 * first + 2

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, 3 D + 2]."""
        one, other = (
            stack(self._vectors(encodings, names)) for stack, names in zip(self.stacks, self.entities, strict=True)
        )
        other = self.aligned(other)
        dot = (one * other).sum(dim=1, keepdim=True)
        bilinear = (self.bilinear(one) * other).sum(dim=1, keepdim=True)
        return torch.cat([one, other, (one - other).abs(), dot, bilinear], dim=1)

    def _vectors(self, encodings: Sequence[Tensor], names: Sequence[str]) -> Tensor:
        found = []
        for name in names:
            index, place = self.places[name]
            found.append(encodings[index].flatten(1) if place is None else encodings[index][:, place])
        return torch.cat(found, dim=1)
