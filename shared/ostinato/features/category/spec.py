"""Feature type `category`."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.decoders.spec import DECODERS, ClassifierSpec, DecoderSpec
from ostinato.encoders.category.spec import CategoryDenseSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec, PreprocessingSpec
from ostinato.losses.spec import LOSSES, LossSpec, SoftmaxCrossEntropySpec
from ostinato.registry import OneOf
from ostinato.spec import PendingFalse, PositiveInt

Fill = Literal["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"]


class CategoryPreprocessingSpec(PreprocessingSpec):
    """What the preprocessing of categories can be told, as input and as output."""

    fill_value: str = "<UNK>"
    """Category that `fill_with_const` puts in; `<UNK>` is the slot of unknown values."""
    lowercase: bool = False
    """Whether upper and lower case are the same."""
    most_common: PositiveInt = 10000
    """Categories kept; rarer ones share the slot of unknown values."""
    cache_encoder_embeddings: PendingFalse = False
    """Computes a frozen encoder's output once."""


class CategoryInputPreprocessingSpec(CategoryPreprocessingSpec):
    """Preprocessing of a category input."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""


class CategoryOutputPreprocessingSpec(CategoryPreprocessingSpec):
    """Preprocessing of a category output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing."""


@INPUTS.register("category")
class CategoryInputSpec(InputSpec):
    """One of a number of values."""

    type: Literal["category"] = "category"
    """Type of the feature."""
    preprocessing: CategoryInputPreprocessingSpec = CategoryInputPreprocessingSpec()
    """How values become codes."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "dense", "category")] = CategoryDenseSpec()
    """How the code becomes a vector."""


@OUTPUTS.register("category")
class CategoryOutputSpec(OutputSpec):
    """Predicts one of a number of classes."""

    type: Literal["category"] = "category"
    """Type of the feature."""
    preprocessing: CategoryOutputPreprocessingSpec = CategoryOutputPreprocessingSpec()
    """How targets become codes."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "classifier", "category")] = ClassifierSpec()
    """How a vector becomes a logit for each class."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "softmax_cross_entropy", "category")] = SoftmaxCrossEntropySpec()
    """What training makes small."""
    calibration: bool = False
    """Whether probabilities are calibrated on the validation rows after training (temperature, Guo et al. 2017)."""
    top_k: PositiveInt = 3
    """Classes among which `hits_at_k` looks for the target."""
