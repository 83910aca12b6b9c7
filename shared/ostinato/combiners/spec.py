"""The registry of combiners, and what those that end in fully connected layers share."""

from __future__ import annotations

from typing import Any

from ostinato.blocks.spec import Activation, FCLayers, Initializer, Norm
from ostinato.registry import Registry
from ostinato.spec import NonNegativeInt, PositiveInt, Probability, Spec, clash

COMBINERS = Registry("combiner", pending={"": frozenset({"sequence", "tabpfn_v2"})})


class CombinerSpec(Spec):
    """What every combiner has."""

    type: str
    """Name of the combiner."""


class StackCombinerSpec(CombinerSpec):
    """A combiner with fully connected layers at its end."""

    use_bias: bool = True
    """Whether the fully connected layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers after the combination; ignored where `fc_layers` lists them."""
    output_size: PositiveInt = 256
    """Units of each fully connected layer."""
    norm: Norm | None = None
    """Normalization before each activation; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    fc_layers: FCLayers | None = None
    """The fully connected layers one by one."""


class DenseCombinerSpec(StackCombinerSpec):
    """A combiner with one dropout and one activation."""

    dropout: Probability = 0.1
    """Probability that a unit is set to zero while training."""
    activation: Activation | None = "relu"
    """Activation of the fully connected layers; null for none."""


class TransformerCombinerSpec(StackCombinerSpec):
    """A combiner whose tokens go through a transformer before the fully connected layers."""

    dropout: Probability = 0.1
    """Probability that a unit of the transformer is set to zero while training."""
    transformer_output_size: PositiveInt = 256
    """Units of the feed-forward part of a transformer layer."""
    hidden_size: PositiveInt = 256
    """Units of a token; a multiple of `num_heads`."""
    num_layers: PositiveInt = 1
    """Number of transformer layers."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    fc_dropout: Probability = 0.0
    """Dropout of the fully connected layers."""
    fc_activation: Activation | None = "relu"
    """Activation of the fully connected layers."""
    fc_residual: bool = False
    """Adds the input of a fully connected layer to its output where the sizes agree."""


def check_heads(size: int, num_heads: int, field: str = "hidden_size") -> None:
    """Raises the error of a field where the heads can't share a token."""
    if size % num_heads:
        raise clash(field, f"{size} is no multiple of num_heads, which is {num_heads}", f"a multiple of {num_heads}")
