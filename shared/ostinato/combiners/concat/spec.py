"""Concat: the encodings of all features side by side, then fully connected layers."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import Activation
from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.spec import PositiveInt, Probability


@COMBINERS.register("concat")
class ConcatSpec(CombinerSpec):
    """The encodings of all features side by side, then fully connected layers."""

    type: Literal["concat"] = "concat"
    """Name of the combiner."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    activation: Activation | None = "relu"
    """Activation after each layer; null for none."""
    flatten_inputs: bool = False
    """Whether sequences are flattened into one vector."""
    residual: bool = False
    """Adds the input of a layer to its output where the sizes agree."""
    batch_ensemble: bool = False
    """Whether the layers are an ensemble that shares its weights (BatchEnsemble, Wen et al. 2020)."""
    num_ensemble_members: PositiveInt = 4
    """Members of the ensemble."""
