"""Feature type `date`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.encoders.date.spec import DateEmbedSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec, ReadPreprocessingSpec
from ostinato.registry import OneOf


class DatePreprocessingSpec(ReadPreprocessingSpec):
    """Preprocessing of a date."""

    missing_value_strategy: Literal["fill_with_const", "bfill", "ffill", "drop_row"] = "fill_with_const"
    """What becomes of a missing value."""
    fill_value: str = ""
    """Date that `fill_with_const` puts in; empty for none: the network then sees that it is missing."""
    datetime_format: str | None = None
    """Form of the dates, as Python's strptime knows it; null for the usual ones."""


@INPUTS.register("date")
class DateInputSpec(InputSpec):
    """A date, with or without the time of the day."""

    type: Literal["date"] = "date"
    """Type of the feature."""
    preprocessing: DatePreprocessingSpec = DatePreprocessingSpec()
    """How values become dates."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "embed", "date")] = DateEmbedSpec()
    """How the date becomes a vector."""
