"""TabTransformer. N rows, F features, H units of a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import reducer
from ostinato.blocks.nn.tokens import Tokens, num_units, token_mask, vectors
from ostinato.combiners.nn import stack_of, transformer_layers
from ostinato.combiners.tabtransformer.spec import TabTransformerSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements

_ATTENDED = ("category", "binary")


@implements(TabTransformerSpec)
class TabTransformer(Combiner):
    """Categories and binaries through a transformer, the rest through a norm, side by side."""

    def __init__(self, spec: TabTransformerSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.is_attended = [all(kind in _ATTENDED for kind in block.types) for block in blocks]
        attended = [block for block, is_attended in zip(blocks, self.is_attended, strict=True) if is_attended]
        others = [block for block, is_attended in zip(blocks, self.is_attended, strict=True) if not is_attended]
        size = 0
        name = spec.embed_input_feature_name
        self.adds_name = name == "add"
        self.tokens: Tokens | None = None
        self.names: nn.Parameter | None = None
        if attended:
            own = name if isinstance(name, int) else 0
            self.tokens = Tokens(attended, spec.hidden_size - own)
            if name is not None:
                self.names = nn.Parameter(torch.randn(len(self.tokens), own or spec.hidden_size) * 0.1)
            reduce = reducer(spec.reduce_output, len(self.tokens), spec.hidden_size)
            assert reduce is not None
            self.layers, self.norm, self.reduce = transformer_layers(spec), nn.LayerNorm(spec.hidden_size), reduce
            size = reduce.output_size
        self.others_norm = nn.LayerNorm(num_units(others)) if others else None
        self.stack = FCStack(stack_of(spec), size + num_units(others))
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        parts = []
        if self.tokens is not None:
            chosen = [each for each, is_attended in zip(encodings, self.is_attended, strict=True) if is_attended]
            seen = [each for each, is_attended in zip(masks, self.is_attended, strict=True) if is_attended]
            mask = token_mask(chosen, seen)
            x = self._named(self.tokens(chosen))
            for layer in self.layers:
                x = layer(x, None if mask is None else mask[:, None, None, :])
            parts.append(self.reduce(self.norm(x), mask))
        if self.others_norm is not None:
            others = [each for each, is_attended in zip(encodings, self.is_attended, strict=True) if not is_attended]
            parts.append(self.others_norm(vectors(others)))
        combined: Tensor = self.stack(torch.cat(parts, dim=1))
        return combined

    def _named(self, tokens: Tensor) -> Tensor:
        if self.names is None:
            return tokens
        if self.adds_name:
            return tokens + self.names
        return torch.cat([self.names.expand(tokens.shape[0], -1, -1), tokens], dim=-1)
