"""Project and aggregate: the mean of the features' projections."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import Norm
from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec
from ostinato.spec import NonNegativeInt, PositiveInt, Probability


@COMBINERS.register("project_aggregate")
class ProjectAggregateSpec(DenseCombinerSpec):
    """Each feature is projected to one size; the mean goes through fully connected layers."""

    type: Literal["project_aggregate"] = "project_aggregate"
    """Name of the combiner."""
    projection_size: PositiveInt = 128
    """Units of the projections."""
    residual: bool = True
    """Adds the input of a layer to its output where the sizes agree."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    num_fc_layers: NonNegativeInt = 2
    """Number of fully connected layers; ignored where `fc_layers` lists them."""
    output_size: PositiveInt = 128
    """Units of each fully connected layer."""
    norm: Norm | None = "layer"
    """Normalization before each activation; null for none."""
