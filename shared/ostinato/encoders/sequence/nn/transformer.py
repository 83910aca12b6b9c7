"""A transformer over time. N rows, T steps, H units of a step."""

from __future__ import annotations

from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import reducer, takes_any_length
from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.sequence.nn.steps import SequenceEncoder
from ostinato.encoders.sequence.spec import SequenceTransformerSpec
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(SequenceTransformerSpec)
class SequenceTransformer(SequenceEncoder):
    """Symbols and learned places, transformer layers, a reduction (Vaswani et al. 2017)."""

    def __init__(self, spec: SequenceTransformerSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        size = spec.hidden_size
        self.project = nn.Linear(self.steps.size, size)
        self.places = embedding(shape.length, size)
        self.layers = nn.ModuleList(
            TransformerLayer(size, spec.num_heads, spec.transformer_output_size, spec.dropout)
            for _ in range(spec.num_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.reduce = reducer(spec.reduce_output, shape.length, size)
        self.skips_padding = takes_any_length(self.reduce)
        layers = FCStackSpec.of(
            spec, num_layers=spec.num_fc_layers, activation=spec.fc_activation, dropout=spec.fc_dropout
        )
        self.dense = FCStack(layers, self.reduce.output_size) if self.reduce is not None else None
        self.output_shape = (shape.length, size) if self.dense is None else (self.dense.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T, H]."""
        mask = self.mask(column)
        # Places are counted from the first symbol, so that padding on the left makes no difference.
        place = (mask.cumsum(dim=1) - 1).clamp_min(0)
        x = self.project(self.steps(column, mask)) + self.places(place)
        # Of a row of nothing but padding all is seen, since attention to nothing is no number.
        seen = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        hidden = self.norm(x)
        if self.reduce is None:
            unreduced: Tensor = hidden * mask.unsqueeze(-1)
            return unreduced
        assert self.dense is not None
        encoded: Tensor = self.dense(self.reduce(hidden, mask))
        return encoded
