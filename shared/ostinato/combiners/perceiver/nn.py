"""Perceiver. N rows, F features, T steps of a sequence, L latents, H units of a latent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import reducer
from ostinato.blocks.nn.tokens import Tokens, token_mask
from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.perceiver.spec import PerceiverSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(PerceiverSpec)
class Perceiver(Combiner):
    """Latents read the tokens once, then talk among themselves."""

    def __init__(self, spec: PerceiverSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size = spec.latent_dim
        self.num_latents = spec.num_latents
        self.tokens = Tokens(blocks, size)
        self.latents = nn.Parameter(torch.randn(spec.num_latents, size) * size**-0.5)
        self.reading = TransformerLayer(size, spec.num_heads, size, spec.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(size, spec.num_heads, size, spec.dropout) for _ in range(spec.num_self_attention_layers)
        )
        self.norm = nn.LayerNorm(size)
        reduce = reducer(spec.reduce_output, spec.num_latents, size)
        assert reduce is not None
        self.reduce = reduce
        self.stack = FCStack(FCStackSpec.of(spec, num_layers=spec.num_fc_layers), reduce.output_size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        latents = self.latents.expand(encodings[0].shape[0], -1, -1)
        mask = token_mask(encodings, masks, first=self.num_latents)
        read = torch.cat([latents, self.tokens(encodings)], dim=1)
        x = self.reading(read, None if mask is None else mask[:, None, None, :], self.num_latents)
        for layer in self.layers:
            x = layer(x)
        combined: Tensor = self.stack(self.reduce(self.norm(x)))
        return combined
