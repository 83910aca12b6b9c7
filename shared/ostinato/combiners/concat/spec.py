"""Concat: the encodings of all features side by side, then fully connected layers."""

from __future__ import annotations

from typing import Literal

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec
from ostinato.spec import NonNegativeInt, PositiveInt


@COMBINERS.register("concat")
class ConcatSpec(DenseCombinerSpec):
    """The encodings of all features side by side, then fully connected layers."""

    type: Literal["concat"] = "concat"
    """Name of the combiner."""
    num_fc_layers: NonNegativeInt = 2
    """Number of fully connected layers after the combination; ignored where `fc_layers` lists them."""
    output_size: PositiveInt = 128
    """Units of each fully connected layer."""
    flatten_inputs: bool = False
    """Whether sequences are flattened into one vector."""
    residual: bool = False
    """Adds the input of a layer to its output where the sizes agree."""
    batch_ensemble: bool | Literal["auto"] = "auto"
    """Whether the layers are an ensemble that shares its weights (TabM, Gorishniy et al. 2025); `auto` wherever
    vectors are combined, not for sequences that are not reduced."""
    num_ensemble_members: PositiveInt = 4
    """Members of the ensemble."""
