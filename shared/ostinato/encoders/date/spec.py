"""Encoders of a date: embed, wave."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import DenseLayersSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import NonNegativeInt, PendingFalse, PositiveInt


@ENCODERS.register("embed", "date")
class DateEmbedSpec(EncoderSpec, DenseLayersSpec):
    """A learned vector for each month, day, weekday, hour …, the time as a number, side by side."""

    type: Literal["embed"] = "embed"
    """Name of the encoder."""
    embedding_size: PositiveInt = 10
    """Units of a vector; at most as many as there are values."""
    embeddings_on_cpu: PendingFalse = False
    """Whether the vectors stay in host memory."""


@ENCODERS.register("wave", "date")
class DateWaveSpec(EncoderSpec, DenseLayersSpec):
    """Sine and cosine of each month, day, weekday, hour … around its circle, and the time as a number."""

    type: Literal["wave"] = "wave"
    """Name of the encoder."""
    num_fc_layers: NonNegativeInt = 1
    """Number of fully connected layers; ignored where `fc_layers` lists them."""
