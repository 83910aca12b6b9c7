"""Transformer. N rows, F features, T steps of a sequence, H units of a token."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import reducer
from ostinato.blocks.nn.tokens import Tokens, token_mask
from ostinato.combiners.nn import stack_of, transformer_layers
from ostinato.combiners.transformer.spec import TransformerSpec
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(TransformerSpec)
class Transformer(Combiner):
    """A token a feature (or a step of a sequence), transformer layers, and a reduction."""

    def __init__(self, spec: TransformerSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.tokens = Tokens(blocks, spec.hidden_size)
        self.layers = transformer_layers(spec)
        self.norm = nn.LayerNorm(spec.hidden_size)
        reduce = reducer(spec.reduce_output, len(self.tokens), spec.hidden_size)
        assert reduce is not None
        self.reduce = reduce
        self.stack = FCStack(stack_of(spec), reduce.output_size)
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D]."""
        x = self.tokens(encodings)
        mask = token_mask(encodings, masks)
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None, :])
        combined: Tensor = self.stack(self.reduce(self.norm(x), mask))
        return combined
