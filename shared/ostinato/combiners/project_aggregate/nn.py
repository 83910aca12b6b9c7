"""Project and aggregate. N rows, F features, D units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import Pool
from ostinato.blocks.nn.tokens import Tokens, token_mask
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.project_aggregate.spec import ProjectAggregateSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(ProjectAggregateSpec)
class ProjectAggregate(Combiner):
    """The mean of the projections, then fully connected layers."""

    def __init__(self, spec: ProjectAggregateSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.tokens = Tokens(blocks, spec.projection_size)
        self.reduce = Pool("mean", spec.projection_size)
        layers = FCStackSpec.of(spec, num_layers=spec.num_fc_layers)
        self.stack = FCStack(layers, spec.projection_size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        combined: Tensor = self.stack(self.reduce(self.tokens(encodings), token_mask(encodings, masks)))
        return combined
