"""Encoders of a cell of the H3 grid: embed, weighted_sum, rnn."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import DenseLayersSpec, RecurrenceSpec, ReduceMode
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PendingFalse, PositiveInt, Probability


class H3VectorsSpec(EncoderSpec):
    """A vector for the resolution, the base cell and each finer cell."""

    embedding_size: PositiveInt = 10
    """Units of a vector."""
    embeddings_on_cpu: PendingFalse = False
    """Whether the vectors stay in host memory."""


@ENCODERS.register("embed", "h3")
class H3EmbedSpec(H3VectorsSpec, DenseLayersSpec):
    """A vector for the resolution, the base cell and each finer cell, reduced, then fully connected if asked for."""

    type: Literal["embed"] = "embed"
    """Name of the encoder."""
    reduce_output: ReduceMode | None = "sum"
    """How the vectors become one; null keeps them all."""


@ENCODERS.register("weighted_sum", "h3")
class H3WeightedSumSpec(H3VectorsSpec, DenseLayersSpec):
    """The same vectors, summed up with a learned weight for each place, then fully connected if asked for."""

    type: Literal["weighted_sum"] = "weighted_sum"
    """Name of the encoder."""
    should_softmax: bool = False
    """Whether the weights are positive and sum up to 1."""


@ENCODERS.register("rnn", "h3")
class H3RNNSpec(H3VectorsSpec, RecurrenceSpec):
    """Cells of a recurrent network over the same vectors, from the coarse to the fine."""

    type: Literal["rnn"] = "rnn"
    """Name of the encoder."""
    dropout: Probability = 0.0
    """Probability that a unit of a vector is set to zero while training."""
    num_layers: PositiveInt = 1
    """Layers of cells."""
    hidden_size: PositiveInt = 10
    """Units of a cell's state."""
    reduce_output: ReduceMode | None = "last"
    """How the states become one vector; null keeps them all."""
