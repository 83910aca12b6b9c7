"""Encoders of series alone: passthrough, patches and a transformer, N-BEATS."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.blocks.spec import ReduceMode
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PendingNull, PositiveInt, Probability, clash


@ENCODERS.register("passthrough", "timeseries")
class SeriesPassthroughSpec(EncoderSpec):
    """The numbers of a series, standardized, one unit a step."""

    type: Literal["passthrough"] = "passthrough"
    """Name of the encoder."""
    max_sequence_length: PendingNull = None
    """Set from the data."""
    encoding_size: PendingNull = None
    """Set from the data."""
    reduce_output: ReduceMode | None = None
    """How the steps become one; null keeps them all."""


@ENCODERS.register("patchtst", "timeseries")
class PatchTSTSpec(EncoderSpec):
    """Patches of a series as tokens of a transformer (Nie et al. 2023)."""

    type: Literal["patchtst"] = "patchtst"
    """Name of the encoder."""
    patch_size: PositiveInt = 16
    """Steps of a patch; at most as many as the series have."""
    patch_stride: PositiveInt = 8
    """Steps from one patch to the next; at most `patch_size`."""
    d_model: PositiveInt = 128
    """Units of a patch; a multiple of `num_heads`."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    num_layers: PositiveInt = 3
    """Number of transformer layers."""
    ffn_dim: PositiveInt = 256
    """Units of the feed-forward part of a layer."""
    dropout: Probability = 0.1
    """Probability that a unit is set to zero while training."""
    output_size: PositiveInt = 256
    """Units of the output."""
    reduce_output: Literal["mean", "last", "first"] = "mean"
    """How the patches become one vector."""

    @model_validator(mode="after")
    def _sizes_agree(self) -> PatchTSTSpec:
        if self.d_model % self.num_heads:
            message = f"{self.d_model} is no multiple of num_heads, which is {self.num_heads}"
            raise clash("d_model", message, f"a multiple of {self.num_heads}")
        if self.patch_stride > self.patch_size:
            message = f"{self.patch_stride} leaves out steps between patches of {self.patch_size}"
            raise clash("patch_stride", message, f"at most patch_size, which is {self.patch_size}")
        return self


@ENCODERS.register("nbeats", "timeseries")
class NBeatsSpec(EncoderSpec):
    """Blocks that each explain a part of the series and leave the rest to the next (Oreshkin et al. 2020)."""

    type: Literal["nbeats"] = "nbeats"
    """Name of the encoder."""
    num_stacks: PositiveInt = 2
    """Number of stacks of blocks."""
    num_blocks: PositiveInt = 3
    """Number of blocks of a stack."""
    num_layers: PositiveInt = 4
    """Number of fully connected layers of a block."""
    layer_size: PositiveInt = 256
    """Units of a layer."""
    output_size: PositiveInt = 256
    """Units of the output."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
