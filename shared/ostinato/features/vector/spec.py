"""Feature type `vector`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.decoders.spec import DECODERS, DecoderSpec, ProjectorSpec
from ostinato.encoders.dense.spec import DenseSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec, ReadPreprocessingSpec
from ostinato.losses.spec import LOSSES, LossSpec, MeanSquaredErrorSpec
from ostinato.registry import OneOf
from ostinato.spec import Later, PositiveInt

Fill = Annotated[Literal["fill_with_const", "bfill", "ffill", "drop_row"], Later(frozenset({"fill_with_mode"}))]


class VectorPreprocessingSpec(ReadPreprocessingSpec):
    """What the preprocessing of vectors can be told, as input and as output."""

    vector_size: PositiveInt | None = None
    """Numbers of a vector, and a vector of another length can't be read; null for the one length that all have."""
    fill_value: str = ""
    """Vector that `fill_with_const` puts in, its numbers with spaces between; empty for zeros."""


class VectorInputPreprocessingSpec(VectorPreprocessingSpec):
    """Preprocessing of a vector input."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""


class VectorOutputPreprocessingSpec(VectorPreprocessingSpec):
    """Preprocessing of a vector output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing."""


@INPUTS.register("vector")
class VectorInputSpec(InputSpec):
    """As many numbers in every row."""

    type: Literal["vector"] = "vector"
    """Type of the feature."""
    preprocessing: VectorInputPreprocessingSpec = VectorInputPreprocessingSpec()
    """How values become vectors."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "dense", "vector")] = DenseSpec()
    """What the network makes of the vector."""


@OUTPUTS.register("vector")
class VectorOutputSpec(OutputSpec):
    """Predicts as many numbers for every row."""

    type: Literal["vector"] = "vector"
    """Type of the feature."""
    preprocessing: VectorOutputPreprocessingSpec = VectorOutputPreprocessingSpec()
    """How targets become vectors."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "projector", "vector")] = ProjectorSpec()
    """How a vector of the network becomes the prediction."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "mean_squared_error", "vector")] = MeanSquaredErrorSpec()
    """What training makes small."""
    softmax: bool = False
    """Whether the numbers are probabilities that sum up to 1."""
    vector_size: PositiveInt | None = None
    """Numbers of a vector; a value that disagrees with the data is an error."""
