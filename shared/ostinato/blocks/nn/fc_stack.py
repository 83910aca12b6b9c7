"""Fully connected stack. N rows, E members, I input units, D units of the last layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ostinato.blocks.nn.activations import activation, units_before
from ostinato.blocks.nn.linear import EnsembleLinear, Start, linear
from ostinato.blocks.nn.norms import norm
from ostinato.blocks.spec import FCLayerSpec, FCStackSpec


class FCStack(nn.Module):
    """Layers of linear, norm, activation and dropout.

    With several members every layer is an `EnsembleLinear` and the output is [N, E, D]; `sections` are then the sizes
    of the parts of the input that start with one sign each.
    """

    def __init__(
        self, spec: FCStackSpec, input_size: int, num_members: int = 1, sections: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        layers = layers_of(spec)
        self.residual = spec.residual
        self.layers = nn.ModuleList()
        size = input_size
        for index, layer in enumerate(layers):
            self.layers.append(_layer(layer, size, num_members, sections if index == 0 else None))
            assert layer.output_size is not None
            size = layer.output_size
        self.output_size = size

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., D]."""
        for layer in self.layers:
            hidden = layer(x)
            x = hidden + x if self.residual and hidden.shape[-1] == x.shape[-1] else hidden
        return x


def layers_of(spec: FCStackSpec) -> tuple[FCLayerSpec, ...]:
    """The layers one by one, what a layer leaves out taken from the stack."""
    given = (FCLayerSpec(),) * spec.num_layers if spec.fc_layers is None else spec.fc_layers
    whole = {name: getattr(spec, name) for name in FCLayerSpec.model_fields}
    return tuple(
        FCLayerSpec.model_construct(
            **{name: whole[name] if (own := getattr(layer, name)) is None else own for name in whole}
        )
        for layer in given
    )


def _layer(spec: FCLayerSpec, input_size: int, num_members: int, sections: Sequence[int] | None) -> nn.Sequential:
    assert spec.output_size is not None
    assert spec.use_bias is not None
    assert spec.weights_initializer is not None
    assert spec.bias_initializer is not None
    units = units_before(spec.activation, spec.output_size)
    start = Start(spec.use_bias, spec.weights_initializer, spec.bias_initializer)
    parts: list[nn.Module] = [
        EnsembleLinear(input_size, units, num_members, start, sections)
        if num_members > 1
        else linear(input_size, units, start)
    ]
    if spec.norm is not None:
        parts.append(norm(spec.norm, units, spec.norm_params))
    if spec.activation is not None:
        parts.append(activation(spec.activation))
    if spec.dropout:
        parts.append(nn.Dropout(spec.dropout))
    return nn.Sequential(*parts)
