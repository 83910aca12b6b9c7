"""Feature type `timeseries`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.encoders.sequence.spec import ParallelCNNSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec, ReadPreprocessingSpec
from ostinato.registry import OneOf
from ostinato.spec import Later, Pending, PositiveInt

Fill = Annotated[Literal["fill_with_const", "bfill", "ffill", "drop_row"], Later(frozenset({"fill_with_mode"}))]


class TimeseriesInputPreprocessingSpec(ReadPreprocessingSpec):
    """Preprocessing of a series of numbers. A gap within a series gets the number before it."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing series."""
    fill_value: str = ""
    """Series that `fill_with_const` puts in, its numbers with spaces between; empty for one of nothing but padding."""
    tokenizer: Annotated[str, Pending("space")] = "space"
    """How a text is cut into numbers: at spaces, commas and semicolons."""
    timeseries_length_limit: PositiveInt = 256
    """Numbers kept of a series, the first ones."""
    padding_value: Annotated[float, Pending(0.0)] = 0.0
    """Number that fills short series; encoders know where a series ends."""
    padding: Literal["left", "right"] = "right"
    """Side on which short series are filled."""
    window_size: Annotated[int, Pending(0)] = 0
    """Rows before a row whose numbers make a series."""


@INPUTS.register("timeseries")
class TimeseriesInputSpec(InputSpec):
    """A series of numbers in every row."""

    type: Literal["timeseries"] = "timeseries"
    """Type of the feature."""
    preprocessing: TimeseriesInputPreprocessingSpec = TimeseriesInputPreprocessingSpec()
    """How values become series."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "parallel_cnn", "timeseries")] = ParallelCNNSpec()
    """How the series becomes a vector."""
