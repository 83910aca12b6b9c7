"""Gated fusion: each feature counts as much as a gate says that sees them all (Arevalo et al. 2017)."""

from __future__ import annotations

from typing import Literal

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec
from ostinato.spec import PositiveInt


@COMBINERS.register("gated_fusion")
class GatedFusionSpec(DenseCombinerSpec):
    """The sum of the features' vectors, each unit times a gate that sees all features (Arevalo et al. 2017)."""

    type: Literal["gated_fusion"] = "gated_fusion"
    """Name of the combiner."""
    hidden_size: PositiveInt = 256
    """Units of the vectors."""
