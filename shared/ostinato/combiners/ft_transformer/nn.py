"""FT-Transformer. N rows, F features, T steps of a sequence, H units of a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.tokens import Tokens, token_mask
from ostinato.combiners.ft_transformer.spec import FTTransformerSpec
from ostinato.combiners.nn import stack_of, transformer_layers
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(FTTransformerSpec)
class FTTransformer(Combiner):
    """A token a feature (or a step of a sequence) and a class token, whose last state is the output."""

    def __init__(self, spec: FTTransformerSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        size = spec.hidden_size
        self.tokens = Tokens(blocks, size)
        self.class_token = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))
        self.layers = transformer_layers(spec)
        self.norm = nn.LayerNorm(size)
        self.stack = FCStack(stack_of(spec), size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, H], or the units of the last fully connected layer."""
        class_token = self.class_token.expand(encodings[0].shape[0], 1, -1)
        x = torch.cat([class_token, self.tokens(encodings)], dim=1)
        mask = token_mask(encodings, masks, first=1)
        attended = None if mask is None else mask[:, None, None, :]
        for layer in self.layers[:-1]:
            x = layer(x, attended)
        # Only the class token is read, so only it is computed in the last layer.
        x = self.layers[-1](x, attended, 1)
        combined: Tensor = self.stack(self.norm(x[:, 0]))
        return combined
