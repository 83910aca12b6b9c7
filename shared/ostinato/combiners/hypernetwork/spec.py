"""Hypernetwork: the features decide on the weights that they go through."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import Activation
from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.spec import NonNegativeInt, PositiveInt, Probability


@COMBINERS.register("hypernetwork")
class HypernetworkSpec(CombinerSpec):
    """A layer whose weights are in part made by a small network from the same features (Ha et al. 2017)."""

    type: Literal["hypernetwork"] = "hypernetwork"
    """Name of the combiner."""
    hidden_size: PositiveInt = 128
    """Units of the layer."""
    hyper_hidden_size: PositiveInt = 64
    """Units of the small network."""
    output_size: PositiveInt = 128
    """Units of each fully connected layer after it."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers after it."""
    dropout: Probability = 0.1
    """Probability that a unit is set to zero while training."""
    activation: Activation | None = "relu"
    """Activation after each layer; null for none."""
