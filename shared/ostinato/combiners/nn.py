"""What combiners with a transformer share."""

from __future__ import annotations

from torch import nn

from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.spec import TransformerCombinerSpec


def transformer_layers(spec: TransformerCombinerSpec) -> nn.ModuleList:
    """The layers that a spec asks for."""
    return nn.ModuleList(
        TransformerLayer(spec.hidden_size, spec.num_heads, spec.transformer_output_size, spec.dropout)
        for _ in range(spec.num_layers)
    )


def stack_of(spec: TransformerCombinerSpec) -> FCStackSpec:
    """The fully connected layers after them."""
    return FCStackSpec.of(
        spec,
        num_layers=spec.num_fc_layers,
        activation=spec.fc_activation,
        dropout=spec.fc_dropout,
        residual=spec.fc_residual,
    )
