"""Decoders: from the combined features to an output's logits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Strict

from ostinato.blocks.spec import Activation, FCLayers, Initializer, Norm
from ostinato.registry import Registry
from ostinato.spec import NonNegativeInt, Pending, PendingNull, PositiveInt, Probability, Spec

DECODERS = Registry("decoder")


class DecoderSpec(Spec):
    """What every decoder can be told."""

    type: str
    """Name of the decoder."""
    fc_layers: FCLayers | None = None
    """Fully connected layers before the last, one by one."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers before the last; ignored where `fc_layers` lists them."""
    fc_output_size: PositiveInt = 256
    """Units of a fully connected layer."""
    fc_use_bias: bool = True
    """Whether the fully connected layers have a bias."""
    fc_weights_initializer: Initializer = "xavier_uniform"
    """How the weights of the fully connected layers start."""
    fc_bias_initializer: Initializer = "zeros"
    """How the biases of the fully connected layers start."""
    fc_norm: Norm | None = None
    """Normalization of the fully connected layers; null for none."""
    fc_norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    fc_activation: Activation | None = "relu"
    """Activation of the fully connected layers; null for none."""
    fc_dropout: Probability = 0.0
    """Dropout of the fully connected layers."""
    input_size: PositiveInt | None = None
    """Set from the combiner; a value that disagrees with it is an error."""
    use_bias: bool = True
    """Whether the last layer has a bias."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights of the last layer start."""
    bias_initializer: Initializer = "zeros"
    """How the bias of the last layer starts."""


@DECODERS.register("regressor", "number", "binary")
class RegressorSpec(DecoderSpec):
    """One unit."""

    type: Literal["regressor"] = "regressor"
    """Name of the decoder."""


@DECODERS.register("projector", "vector")
class ProjectorSpec(DecoderSpec):
    """One unit for each number of the vector."""

    type: Literal["projector"] = "projector"
    """Name of the decoder."""
    output_size: PositiveInt | None = None
    """Set from the data; a value that disagrees with it is an error."""
    activation: Activation | None = None
    """Activation of the last layer; null for none."""
    multiplier: float = 1.0
    """What the activation is multiplied by."""
    clip: Annotated[tuple[float, float], Strict(False)] | None = None
    """Lowest and highest number that is predicted; null for no limit."""


class ClassesSpec(DecoderSpec):
    """What decoders over classes share."""

    num_classes: PositiveInt | None = None
    """Set from the data; a value that disagrees with it is an error."""
    calibration: PendingNull = None
    """Calibration by the decoder; use the feature's own `calibration`."""
    mc_dropout_samples: Annotated[int, Pending(0)] = 0
    """Samples of Monte Carlo dropout."""


@DECODERS.register("classifier", "category", "category_distribution", "set")
class ClassifierSpec(ClassesSpec):
    """One unit a class."""

    type: Literal["classifier"] = "classifier"
    """Name of the decoder."""


@DECODERS.register("mlp_classifier", "category", "category_distribution", "binary")
class MLPClassifierSpec(ClassesSpec):
    """Fully connected layers, then one unit a class (one in all for binary)."""

    type: Literal["mlp_classifier"] = "mlp_classifier"
    """Name of the decoder."""
    num_fc_layers: Annotated[int, Strict()] = 1
    """Number of fully connected layers."""
    output_size: PositiveInt = 256
    """Units of a fully connected layer."""
    activation: Activation | None = "relu"
    """Activation of the fully connected layers; null for none."""
    dropout: Probability = 0.0
    """Dropout of the fully connected layers."""
