"""Feature type `h3`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.encoders.h3.spec import H3EmbedSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec, ReadPreprocessingSpec
from ostinato.registry import OneOf
from ostinato.spec import Later

Fill = Annotated[Literal["fill_with_const", "bfill", "ffill", "drop_row"], Later(frozenset({"fill_with_mode"}))]


class H3PreprocessingSpec(ReadPreprocessingSpec):
    """Preprocessing of a cell of the H3 grid."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""
    fill_value: int = 576495936675512319
    """Cell that `fill_with_const` puts in."""


@INPUTS.register("h3")
class H3InputSpec(InputSpec):
    """A place on earth as a cell of the H3 grid."""

    type: Literal["h3"] = "h3"
    """Type of the feature."""
    preprocessing: H3PreprocessingSpec = H3PreprocessingSpec()
    """How values become cells."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "embed", "h3")] = H3EmbedSpec()
    """How the cell becomes a vector."""
