"""Decoders. N rows, E ensemble members, D units, K logits."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ostinato.blocks.nn.activations import activation as activation_of
from ostinato.blocks.nn.activations import units_before
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.linear import MemberLinear, Start, linear
from ostinato.blocks.spec import Activation, FCStackSpec
from ostinato.decoders.spec import (
    ClassesSpec,
    ClassifierSpec,
    DecoderSpec,
    MLPClassifierSpec,
    ProjectorSpec,
    RegressorSpec,
)
from ostinato.errors import ConfigError, Problem
from ostinato.module import Decoder
from ostinato.registry import implements


class StackDecoder(Decoder):
    """Fully connected layers that members share, then a last layer that each member has of its own."""

    def __init__(self, spec: DecoderSpec, input_size: int, num_logits: int, num_members: int) -> None:
        super().__init__()
        if spec.input_size not in (None, input_size):
            raise ConfigError(
                Problem("decoder.input_size", f"found {spec.input_size}, but the decoder gets {input_size} units")
            )
        self.stack = FCStack(self.stack_spec(spec), input_size)
        self.hidden_size = self.stack.output_size
        start = Start(spec.use_bias, spec.weights_initializer, spec.bias_initializer)
        self.last = (
            MemberLinear(self.hidden_size, num_logits, num_members, start)
            if num_members > 1
            else linear(self.hidden_size, num_logits, start)
        )

    def stack_spec(self, spec: DecoderSpec) -> FCStackSpec:
        """The fully connected layers before the last."""
        return _stack(spec, spec.fc_output_size, spec.fc_activation, spec.fc_dropout)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """[N, D] or [N, E, D] -> logits [..., K], last hidden layer [..., hidden_size]."""
        hidden = self.stack(hidden)
        return self.last(hidden), hidden


@implements(RegressorSpec)
class Regressor(StackDecoder):
    """One unit."""


@implements(ClassifierSpec)
class Classifier(StackDecoder):
    """A unit a class."""


@implements(ProjectorSpec)
class Projector(StackDecoder):
    """A unit a number, an activation, a factor."""

    def __init__(self, spec: ProjectorSpec, input_size: int, num_logits: int, num_members: int) -> None:
        if spec.output_size not in (None, num_logits):
            found = f"found {spec.output_size}, but the vectors have {num_logits} numbers"
            raise ConfigError(Problem("decoder.output_size", found, f"{num_logits} or nothing"))
        super().__init__(spec, input_size, units_before(spec.activation, num_logits), num_members)
        self.activation = nn.Identity() if spec.activation is None else activation_of(spec.activation)
        self.multiplier = spec.multiplier

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """[N, D] or [N, E, D] -> numbers [..., K], last hidden layer [..., hidden_size]."""
        values, last = super().forward(hidden)
        return self.activation(values) * self.multiplier, last


@implements(MLPClassifierSpec)
class MLPClassifier(StackDecoder):
    """Fully connected layers, then a unit a class."""

    def stack_spec(self, spec: DecoderSpec) -> FCStackSpec:
        """The fully connected layers; `output_size`, `activation`, `dropout` or what `fc_…` says instead."""
        assert isinstance(spec, MLPClassifierSpec)
        given = {name: _either(spec, name) for name in ("output_size", "activation", "dropout")}
        return _stack(spec, given["output_size"], given["activation"], given["dropout"])


def _stack(spec: DecoderSpec, output_size: int, activation: Activation | None, dropout: float) -> FCStackSpec:
    return FCStackSpec(
        output_size=output_size,
        num_layers=spec.num_fc_layers,
        fc_layers=spec.fc_layers,
        activation=activation,
        dropout=dropout,
        norm=spec.fc_norm,
        norm_params=spec.fc_norm_params,
        use_bias=spec.fc_use_bias,
        weights_initializer=spec.fc_weights_initializer,
        bias_initializer=spec.fc_bias_initializer,
    )


def _either(spec: MLPClassifierSpec, name: str) -> Any:
    """The field `name`, or `fc_<name>` where only that differs from its default; the language has both."""
    own, other = getattr(spec, name), getattr(spec, f"fc_{name}")
    default = type(spec).model_fields[name].default
    if own != default and other not in (default, own):
        raise ConfigError(Problem(f"decoder.{name}", f"found {own!r}, but decoder.fc_{name} says {other!r}"))
    return other if own == default else own


def check_classes(spec: DecoderSpec, classes: tuple[str, ...]) -> None:
    """Raises ConfigError where `num_classes` is not the number of classes in the data."""
    if isinstance(spec, ClassesSpec) and spec.num_classes not in (None, len(classes)):
        raise ConfigError(
            Problem(
                "decoder.num_classes",
                f"found {spec.num_classes}, but the training rows have {len(classes)} classes",
                f"{len(classes)} or nothing",
            )
        )
