"""Cross attention. N rows, F features, T steps of a sequence, H units of a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import Pool
from ostinato.blocks.nn.tokens import Tokens, token_mask
from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.cross_attention.spec import CrossAttentionSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(CrossAttentionSpec)
class CrossAttention(Combiner):
    """Tokens attend to those of other features; a feature that is alone attends to itself."""

    others: Tensor

    def __init__(self, spec: CrossAttentionSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size = spec.hidden_size
        self.tokens = Tokens(blocks, size)
        owners = self.tokens.owners
        is_alone = len(set(owners)) == 1
        others = torch.tensor([[is_alone or own != other for other in owners] for own in owners])
        self.register_buffer("others", others, persistent=False)
        self.layers = nn.ModuleList(
            TransformerLayer(size, spec.num_heads, size, spec.dropout) for _ in range(spec.num_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.reduce = Pool("mean", size)
        self.stack = FCStack(FCStackSpec.of(spec, num_layers=spec.num_fc_layers), size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        x = self.tokens(encodings)
        mask = token_mask(encodings, masks)
        allowed = self.others[None, None]
        if mask is not None:
            seen = mask[:, None, None, :]
            allowed = allowed & seen
            # Where the other features are all padding, a feature looks at itself.
            allowed = torch.where(allowed.any(dim=-1, keepdim=True), allowed, seen)
        for layer in self.layers:
            x = layer(x, allowed)
        combined: Tensor = self.stack(self.reduce(self.norm(x), mask))
        return combined
