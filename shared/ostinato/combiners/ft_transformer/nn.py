"""FT-Transformer. N rows, F features, T steps of a sequence, H units of a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.linear import FeatureLinear
from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.ft_transformer.spec import FTTransformerSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(FTTransformerSpec)
class FTTransformer(Combiner):
    """A token a feature (or a step of a sequence) and a class token, whose last state is the output."""

    def __init__(self, spec: FTTransformerSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size = spec.hidden_size
        self.tokens = nn.ModuleList(
            nn.Linear(block.size, size) if block.is_sequence else FeatureLinear(len(block.features), block.size, size)
            for block in blocks
        )
        self.class_token = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))
        self.layers = nn.ModuleList(
            TransformerLayer(size, spec.num_heads, spec.transformer_output_size, spec.dropout)
            for _ in range(spec.num_layers)
        )
        self.norm = nn.LayerNorm(size)
        layers = FCStackSpec.of(
            spec,
            num_layers=spec.num_fc_layers,
            activation=spec.fc_activation,
            dropout=spec.fc_dropout,
            residual=spec.fc_residual,
        )
        self.stack = FCStack(layers, size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, H], or the units of the last fully connected layer."""
        rows = encodings[0].shape[0]
        class_token = self.class_token.expand(rows, 1, -1)
        tokens = [project(encoding) for project, encoding in zip(self.tokens, encodings, strict=True)]
        x = torch.cat([class_token, *tokens], dim=1)
        mask = self._mask(encodings, masks)
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        # Only the class token is read, so only it is computed in the last layer.
        x = self.layers[-1](x, mask, 1)
        combined: Tensor = self.stack(self.norm(x[:, 0]))
        return combined

    def _mask(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor | None:
        """[N, 1, 1, tokens] true where a token is no padding; None where none is."""
        if all(mask is None for mask in masks):
            return None
        rows, device = encodings[0].shape[0], encodings[0].device
        seen = [torch.ones(rows, 1, dtype=torch.bool, device=device)]
        for encoding, mask in zip(encodings, masks, strict=True):
            seen.append(torch.ones(encoding.shape[:2], dtype=torch.bool, device=device) if mask is None else mask)
        return torch.cat(seen, dim=1)[:, None, None, :]
