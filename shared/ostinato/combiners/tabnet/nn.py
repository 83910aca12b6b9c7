"""TabNet. N rows, I input units, D units that a step adds to the output, A units that it hands to the next mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.activations import entmax15, sparsemax
from ostinato.blocks.nn.norms import norm
from ostinato.blocks.nn.tokens import num_units, vectors
from ostinato.combiners.tabnet.spec import TabNetSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements

_HALF = math.sqrt(0.5)


@implements(TabNetSpec)
class TabNet(Combiner):
    """The sum of what the steps give (Arik and Pfister 2021, section 3)."""

    def __init__(self, spec: TabNetSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size = num_units(blocks)
        self.spec = spec
        self.sparse = sparsemax if spec.entmax_mode == "sparsemax" else entmax15
        self.norm = norm("batch", size, {"eps": spec.bn_epsilon, "momentum": spec.bn_momentum})
        shared = Transformer.layers_of(spec, size, spec.num_shared_blocks)
        self.first = Transformer(spec, size, shared)
        self.transformers = nn.ModuleList(Transformer(spec, size, shared) for _ in range(spec.num_steps))
        self.masks = nn.ModuleList(
            nn.Sequential(nn.Linear(spec.size, size, bias=False), _ghost(spec, size)) for _ in range(spec.num_steps)
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.output_size = spec.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        x = self.norm(vectors(encodings))
        handed = self.first(x)[:, self.output_size :]
        left = torch.ones_like(x)
        total, entropy = x.new_zeros(x.shape[0], self.output_size), x.new_zeros(())
        for choose, transform in zip(self.masks, self.transformers, strict=True):
            mask = self.sparse(choose(handed) * left)
            left = left * (self.spec.relaxation_factor - mask)
            hidden = transform(x * mask)
            total = total + torch.relu(hidden[:, : self.output_size])
            handed = hidden[:, self.output_size :]
            entropy = entropy - (mask * (mask + 1e-15).log()).sum(dim=1).mean()
        self.penalty = self.spec.sparsity * entropy / self.spec.num_steps if self.training else None
        combined: Tensor = self.dropout(total)
        return combined


class Transformer(nn.Module):
    """Layers with a gate each, the first ones shared by all steps."""

    def __init__(self, spec: TabNetSpec, input_size: int, shared: Sequence[nn.Linear]) -> None:
        super().__init__()
        units = spec.output_size + spec.size
        own = self.layers_of(spec, units if shared else input_size, spec.num_total_blocks - len(shared))
        self.linears = nn.ModuleList([*shared, *own])
        self.norms = nn.ModuleList(_ghost(spec, 2 * units) for _ in self.linears)

    @staticmethod
    def layers_of(spec: TabNetSpec, input_size: int, count: int) -> list[nn.Linear]:
        """So many layers, the first one of inputs of that size."""
        units = spec.output_size + spec.size
        return [nn.Linear(units if index else input_size, 2 * units, bias=False) for index in range(count)]

    def forward(self, x: Tensor) -> Tensor:
        """[N, I] -> [N, D + A]."""
        for index, (linear, normalize) in enumerate(zip(self.linears, self.norms, strict=True)):
            hidden = nn.functional.glu(normalize(linear(x)), dim=-1)
            x = hidden if index == 0 else (x + hidden) * _HALF
        return x


def _ghost(spec: TabNetSpec, size: int) -> nn.Module:
    params: dict[str, float] = {"eps": spec.bn_epsilon, "momentum": spec.bn_momentum}
    if spec.bn_virtual_bs is None:
        return norm("batch", size, params)
    return norm("ghost", size, {"virtual_batch_size": spec.bn_virtual_bs, **params})
