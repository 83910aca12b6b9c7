"""Encoders that take numbers as they are: passthrough, dense."""

from __future__ import annotations

from typing import Any, Literal

from ostinato.blocks.spec import Activation, FCLayers, Initializer, Norm
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PositiveInt, Probability


@ENCODERS.register("passthrough", "number", "binary")
class PassthroughSpec(EncoderSpec):
    """The value as it is, one unit."""

    type: Literal["passthrough"] = "passthrough"
    """Name of the encoder."""


@ENCODERS.register("passthrough", "vector")
class VectorPassthroughSpec(EncoderSpec):
    """The numbers of a vector, standardized."""

    type: Literal["passthrough"] = "passthrough"
    """Name of the encoder."""


@ENCODERS.register("dense", "number", "binary", "vector", "timeseries")
class DenseSpec(EncoderSpec):
    """A stack of fully connected layers over the value, or over all numbers of a vector or a series, standardized."""

    type: Literal["dense"] = "dense"
    """Name of the encoder."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    activation: Activation | None = "relu"
    """Activation after each layer; null for none."""
    input_size: PositiveInt | None = None
    """Set from the feature; a value that disagrees with it is an error."""
    output_size: PositiveInt = 256
    """Units of each layer."""
    use_bias: bool = True
    """Whether the layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    norm: Norm | None = None
    """Normalization before each activation; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    num_layers: PositiveInt = 1
    """Number of layers; ignored where `fc_layers` lists them."""
    fc_layers: FCLayers | None = None
    """The layers one by one."""
