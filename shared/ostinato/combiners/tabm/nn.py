"""TabM. N rows, E members, D units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.tokens import vectors
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.tabm.spec import TabMSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(TabMSpec)
class TabM(Combiner):
    """Layers of an ensemble that shares its weights; the first layer's input scales start as random signs."""

    def __init__(self, spec: TabMSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        sections = [block.size * (block.length if block.is_sequence else 1) for block in blocks for _ in block.features]
        self.num_members = spec.num_members
        layers = FCStackSpec.of(spec, num_layers=spec.num_fc_layers)
        self.stack = FCStack(layers, sum(sections), spec.num_members, sections)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, E, D]."""
        hidden = vectors(encodings)
        combined: Tensor = self.stack(hidden.unsqueeze(1) if self.num_members > 1 else hidden)
        return combined
