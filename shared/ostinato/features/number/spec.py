"""Feature type `number`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Strict, model_validator

from ostinato.decoders.spec import DECODERS, DecoderSpec, RegressorSpec
from ostinato.encoders.number.spec import PLESpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec, ReadPreprocessingSpec
from ostinato.losses.spec import LOSSES, LossSpec, MeanSquaredErrorSpec
from ostinato.registry import OneOf
from ostinato.spec import Positive, clash

Fill = Literal["fill_with_const", "fill_with_mode", "fill_with_mean", "bfill", "ffill", "drop_row"]
Normalization = Literal["zscore", "minmax", "log1p", "iq"]


class NumberPreprocessingSpec(ReadPreprocessingSpec):
    """What the preprocessing of numbers can be told, as input and as output."""

    fill_value: float | None = None
    """Value that `fill_with_const` puts in; null for the mean."""
    normalization: Normalization | None = "zscore"
    """Scale: mean 0 and deviation 1; 0 to 1; log(1 + x); median 0 and interquartile range 1; null for none."""
    outlier_strategy: Fill | None = None
    """What becomes of a value beyond the threshold; null leaves it."""
    outlier_threshold: Positive | None = 3.0
    """Deviations from the mean beyond which a value is an outlier."""


class NumberInputPreprocessingSpec(NumberPreprocessingSpec):
    """Preprocessing of a number input."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value; the default is the mean of the training rows."""


class NumberOutputPreprocessingSpec(NumberPreprocessingSpec):
    """Preprocessing of a number output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing."""


@INPUTS.register("number")
class NumberInputSpec(InputSpec):
    """A number."""

    type: Literal["number"] = "number"
    """Type of the feature."""
    preprocessing: NumberInputPreprocessingSpec = NumberInputPreprocessingSpec()
    """How values become numbers that a network learns from."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "ple", "number")] = PLESpec()
    """How the number becomes a vector."""


@OUTPUTS.register("number")
class NumberOutputSpec(OutputSpec):
    """Predicts a number."""

    type: Literal["number"] = "number"
    """Type of the feature."""
    preprocessing: NumberOutputPreprocessingSpec = NumberOutputPreprocessingSpec()
    """How targets are scaled; predictions and metrics are in the column's own units."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "regressor", "number")] = RegressorSpec()
    """How a vector becomes a prediction."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "mean_squared_error", "number")] = MeanSquaredErrorSpec()
    """What training makes small, on the normalized scale."""
    clip: Annotated[tuple[float, float], Strict(False)] | None = None
    """Least and largest prediction, in the column's own units."""

    @model_validator(mode="after")
    def _least_is_below_largest(self) -> NumberOutputSpec:
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            raise clash("clip", f"{self.clip[0]:g} is not below {self.clip[1]:g}", "the least, then the largest")
        return self
