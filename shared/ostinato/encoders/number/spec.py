"""Encoders of one number that cut its range into parts or waves: ple, periodic, bins."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen
from pydantic import AfterValidator, Strict
from pydantic_core import PydanticCustomError

from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PositiveInt


def ascending(edges: tuple[float, ...]) -> tuple[float, ...]:
    """The edges, if each is above the one before."""
    if any(low >= high for low, high in pairwise(edges)):
        raise PydanticCustomError("value_error", "edges must ascend")
    return edges


BinEdges = Annotated[tuple[float, ...], Strict(False), MinLen(2), AfterValidator(ascending)]


@ENCODERS.register("ple", "number")
class PLESpec(EncoderSpec):
    """Piecewise linear encoding over quantiles of the training rows, then a linear layer (Gorishniy et al. 2022)."""

    type: Literal["ple"] = "ple"
    """Name of the encoder."""
    num_bins: Annotated[int, Ge(2)] = 16
    """Number of bins; fewer where the column has fewer distinct values."""
    output_size: PositiveInt = 8
    """Units of the output."""
    ple_bin_edges: BinEdges | None = None
    """Edges of the bins in the column's own units; null takes the quantiles of the training rows."""


@ENCODERS.register("periodic", "number")
class PeriodicSpec(EncoderSpec):
    """Sines and cosines of learned frequencies, then a linear layer and ReLU (PLR, Gorishniy et al. 2022)."""

    type: Literal["periodic"] = "periodic"
    """Name of the encoder."""
    num_frequencies: PositiveInt = 64
    """Number of frequencies."""
    output_size: PositiveInt = 256
    """Units of the output."""
    sigma: Annotated[float, Gt(0.0)] = 1.0
    """Standard deviation of the frequencies at the start."""


@ENCODERS.register("bins", "number")
class BinsSpec(EncoderSpec):
    """One learned vector for each bin of the training rows' quantiles."""

    type: Literal["bins"] = "bins"
    """Name of the encoder."""
    num_bins: Annotated[int, Ge(2)] = 32
    """Number of bins; fewer where the column has fewer distinct values."""
    output_size: PositiveInt = 256
    """Units of the output."""
    bins_bin_edges: BinEdges | None = None
    """Edges of the bins in the column's own units; null takes the quantiles of the training rows."""
