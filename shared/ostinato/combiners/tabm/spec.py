"""TabM: an ensemble of many networks in one that share almost all weights (Gorishniy et al. 2025)."""

from __future__ import annotations

from typing import Literal

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec
from ostinato.spec import NonNegativeInt, PositiveInt


@COMBINERS.register("tabm")
class TabMSpec(DenseCombinerSpec):
    """Members that share the weights of their layers and differ by scales; each predicts, the mean counts.

    Works best with `encoder: ple` for numbers (Gorishniy et al. 2025). Ludwig does not have it.
    """

    type: Literal["tabm"] = "tabm"
    """Name of the combiner."""
    num_members: PositiveInt = 32
    """Members of the ensemble."""
    num_fc_layers: NonNegativeInt = 3
    """Number of layers; ignored where `fc_layers` lists them."""
    output_size: PositiveInt = 512
    """Units of each layer."""
