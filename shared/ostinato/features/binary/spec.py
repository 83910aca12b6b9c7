"""Feature type `binary`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.decoders.spec import DECODERS, DecoderSpec, RegressorSpec
from ostinato.encoders.dense.spec import PassthroughSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec, PreprocessingSpec
from ostinato.losses.spec import LOSSES, BinaryWeightedCrossEntropySpec, LossSpec
from ostinato.registry import OneOf
from ostinato.spec import PendingNull, Probability

Fill = Literal["fill_with_false", "fill_with_true", "fill_with_mode", "bfill", "ffill", "drop_row"]


class BinaryPreprocessingSpec(PreprocessingSpec):
    """What the preprocessing of binary values can be told, as input and as output."""

    fallback_true_label: str | int | float | bool | None = None
    """Value that counts as true where the two values are no usual words; null for the alphabetically last."""
    fill_value: PendingNull = None
    """Use `missing_value_strategy`."""


class BinaryInputPreprocessingSpec(BinaryPreprocessingSpec):
    """Preprocessing of a binary input."""

    missing_value_strategy: Fill = "fill_with_false"
    """What becomes of a missing value."""


class BinaryOutputPreprocessingSpec(BinaryPreprocessingSpec):
    """Preprocessing of a binary output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing."""


@INPUTS.register("binary")
class BinaryInputSpec(InputSpec):
    """True or false."""

    type: Literal["binary"] = "binary"
    """Type of the feature."""
    preprocessing: BinaryInputPreprocessingSpec = BinaryInputPreprocessingSpec()
    """How values become 0 and 1."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "passthrough", "binary")] = PassthroughSpec()
    """How the value becomes a vector."""


@OUTPUTS.register("binary")
class BinaryOutputSpec(OutputSpec):
    """Predicts true or false."""

    type: Literal["binary"] = "binary"
    """Type of the feature."""
    preprocessing: BinaryOutputPreprocessingSpec = BinaryOutputPreprocessingSpec()
    """How targets become 0 and 1."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "regressor", "binary")] = RegressorSpec()
    """How a vector becomes a logit."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "binary_weighted_cross_entropy", "binary")] = (
        BinaryWeightedCrossEntropySpec()
    )
    """What training makes small."""
    calibration: bool = False
    """Whether probabilities are calibrated on the validation rows after training (temperature, Guo et al. 2017)."""
    threshold: Probability = 0.5
    """Probability from which a row counts as true."""
