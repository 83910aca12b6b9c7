"""Feature type `bag`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.encoders.set.spec import EmbedSetSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec
from ostinato.registry import OneOf
from ostinato.symbols.spec import Fill, SetPreprocessingSpec


class BagPreprocessingSpec(SetPreprocessingSpec):
    """Preprocessing of a bag."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""


@INPUTS.register("bag")
class BagInputSpec(InputSpec):
    """Symbols without an order, each as often as it occurs."""

    type: Literal["bag"] = "bag"
    """Type of the feature."""
    preprocessing: BagPreprocessingSpec = BagPreprocessingSpec()
    """How values become codes."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "embed", "bag")] = EmbedSetSpec()
    """How the symbols become a vector."""
