"""Feature type `sequence`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.encoders.sequence.spec import EmbedSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec
from ostinato.registry import OneOf
from ostinato.symbols.spec import Fill, SequencePreprocessingSpec


class SequenceInputPreprocessingSpec(SequencePreprocessingSpec):
    """Preprocessing of a sequence of symbols."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""


@INPUTS.register("sequence")
class SequenceInputSpec(InputSpec):
    """Symbols in order: events, letters, words."""

    type: Literal["sequence"] = "sequence"
    """Type of the feature."""
    preprocessing: SequenceInputPreprocessingSpec = SequenceInputPreprocessingSpec()
    """How values become sequences of codes."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "embed", "sequence")] = EmbedSpec()
    """How the sequence becomes a vector."""
