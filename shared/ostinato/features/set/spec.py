"""Feature type `set`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.decoders.spec import DECODERS, ClassifierSpec, DecoderSpec
from ostinato.encoders.set.spec import EmbedSetSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec
from ostinato.losses.spec import LOSSES, LossSpec, SigmoidCrossEntropySpec
from ostinato.registry import OneOf
from ostinato.spec import Probability
from ostinato.symbols.spec import Fill, SetPreprocessingSpec


class SetInputPreprocessingSpec(SetPreprocessingSpec):
    """Preprocessing of a set as input."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value. An empty text or list is the set of nothing, an empty field of CSV missing."""


class SetOutputPreprocessingSpec(SetPreprocessingSpec):
    """Preprocessing of a set as output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing. An empty text or list is the set of nothing; an empty field of CSV
    is missing, and becomes that set by `fill_with_const` with an empty `fill_value`."""


@INPUTS.register("set")
class SetInputSpec(InputSpec):
    """Symbols without an order, each once."""

    type: Literal["set"] = "set"
    """Type of the feature."""
    preprocessing: SetInputPreprocessingSpec = SetInputPreprocessingSpec()
    """How values become codes."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "embed", "set")] = EmbedSetSpec()
    """How the symbols become a vector."""


@OUTPUTS.register("set")
class SetOutputSpec(OutputSpec):
    """Predicts which of a number of symbols a row has."""

    type: Literal["set"] = "set"
    """Type of the feature."""
    preprocessing: SetOutputPreprocessingSpec = SetOutputPreprocessingSpec()
    """How targets become codes."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "classifier", "set")] = ClassifierSpec()
    """How a vector becomes a logit for each symbol."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "sigmoid_cross_entropy", "set")] = SigmoidCrossEntropySpec()
    """What training makes small."""
    threshold: Probability = 0.5
    """Probability from which on a symbol is predicted."""
