"""Feature type `category_distribution`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import AfterValidator, Strict
from pydantic_core import PydanticCustomError

from ostinato.decoders.spec import DECODERS, ClassifierSpec, DecoderSpec
from ostinato.features.spec import OUTPUTS, OutputSpec, ReadPreprocessingSpec
from ostinato.losses.spec import LOSSES, LossSpec, SoftmaxCrossEntropySpec
from ostinato.registry import OneOf
from ostinato.spec import Later, Name, PendingFalse, PositiveInt

Fill = Annotated[Literal["drop_row", "bfill", "ffill"], Later(frozenset({"fill_with_const", "fill_with_mode"}))]


def _all_differ(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("value_error", "every class must have a name of its own")
    return names


Vocabulary = Annotated[tuple[Name, ...], Strict(False), MinLen(2), AfterValidator(_all_differ)]


class CategoryDistributionPreprocessingSpec(ReadPreprocessingSpec):
    """Preprocessing of a distribution over classes as output."""

    missing_value_strategy: Fill = "drop_row"
    """What becomes of a row whose target is missing."""
    vocab: Vocabulary
    """Names of the classes, in the order of their probabilities."""


@OUTPUTS.register("category_distribution")
class CategoryDistributionOutputSpec(OutputSpec):
    """Predicts the probability of each class, from probabilities: the shares of several people's votes."""

    type: Literal["category_distribution"] = "category_distribution"
    """Type of the feature."""
    preprocessing: CategoryDistributionPreprocessingSpec
    """How targets become probabilities; `vocab` must be given."""
    decoder: Annotated[DecoderSpec, OneOf(DECODERS, "classifier", "category_distribution")] = ClassifierSpec()
    """How a vector becomes a logit for each class."""
    loss: Annotated[LossSpec, OneOf(LOSSES, "softmax_cross_entropy", "category_distribution")] = (
        SoftmaxCrossEntropySpec()
    )
    """What training makes small: the loss that is expected over the target's probabilities."""
    calibration: PendingFalse = False
    """Whether probabilities are calibrated on the validation rows after training."""
    top_k: PositiveInt = 3
    """Classes among which `hits_at_k` looks for the most probable one."""
