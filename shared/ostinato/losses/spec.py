"""Losses, by the type of the output."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt
from pydantic import Strict

from ostinato.registry import Registry
from ostinato.spec import NonNegative, Positive, Probability, Spec

LOSSES = Registry("loss", pending={"vector": frozenset({"nt_xent"})})


class LossSpec(Spec):
    """What every loss can be told."""

    type: str
    """Name of the loss."""
    weight: NonNegative = 1.0
    """Weight of the loss in the sum over all outputs."""


@LOSSES.register("mean_squared_error", "number", "vector")
class MeanSquaredErrorSpec(LossSpec):
    """Mean of squared errors."""

    type: Literal["mean_squared_error"] = "mean_squared_error"
    """Name of the loss."""


@LOSSES.register("mean_absolute_error", "number", "vector")
class MeanAbsoluteErrorSpec(LossSpec):
    """Mean of absolute errors."""

    type: Literal["mean_absolute_error"] = "mean_absolute_error"
    """Name of the loss."""


@LOSSES.register("mean_absolute_percentage_error", "number", "vector")
class MeanAbsolutePercentageErrorSpec(LossSpec):
    """Mean of absolute errors relative to the target, in the target's units."""

    type: Literal["mean_absolute_percentage_error"] = "mean_absolute_percentage_error"
    """Name of the loss."""


@LOSSES.register("root_mean_squared_error", "number")
class RootMeanSquaredErrorSpec(LossSpec):
    """Root of the mean of squared errors."""

    type: Literal["root_mean_squared_error"] = "root_mean_squared_error"
    """Name of the loss."""


@LOSSES.register("root_mean_squared_percentage_error", "number")
class RootMeanSquaredPercentageErrorSpec(LossSpec):
    """Root of the mean of squared errors relative to the target, in the target's units."""

    type: Literal["root_mean_squared_percentage_error"] = "root_mean_squared_percentage_error"
    """Name of the loss."""


@LOSSES.register("huber", "number", "vector")
class HuberSpec(LossSpec):
    """Squared for small errors, absolute for large ones (Huber 1964)."""

    type: Literal["huber"] = "huber"
    """Name of the loss."""
    delta: Positive = 1.0
    """Error at which the loss turns from squared to absolute, after normalization."""


@LOSSES.register("binary_weighted_cross_entropy", "binary")
class BinaryWeightedCrossEntropySpec(LossSpec):
    """Cross entropy of two classes."""

    type: Literal["binary_weighted_cross_entropy"] = "binary_weighted_cross_entropy"
    """Name of the loss."""
    positive_class_weight: NonNegative | None = None
    """Weight of the rows of the positive class; null for 1."""
    robust_lambda: Probability = 0.0
    """Replaces the loss by (1 - lambda) * loss + lambda / 2: for noisy labels."""
    confidence_penalty: NonNegative = 0.0
    """Weight of the penalty on over-confident predictions (Pereyra et al. 2017)."""


@LOSSES.register("focal", "binary", "category", "category_distribution")
class FocalSpec(LossSpec):
    """Cross entropy that gives easy rows less weight (Lin et al. 2017)."""

    type: Literal["focal"] = "focal"
    """Name of the loss."""
    alpha: Probability = 0.25
    """Weight of the positive class (binary) or of all classes (category)."""
    gamma: NonNegative = 2.0
    """How strongly easy rows lose weight."""


@LOSSES.register("entropic_open_set", "binary", "category", "category_distribution")
class EntropicOpenSetSpec(LossSpec):
    """Cross entropy; rows of the background class are pushed to the uniform distribution (Dhamija et al. 2018)."""

    type: Literal["entropic_open_set"] = "entropic_open_set"
    """Name of the loss."""
    background_class: int | None = None
    """Code of the class that stands for the unknown; null for none."""


@LOSSES.register("objectosphere", "binary", "category", "category_distribution")
class ObjectosphereSpec(LossSpec):
    """Entropic open set and a penalty on the length of the logits (Dhamija et al. 2018)."""

    type: Literal["objectosphere"] = "objectosphere"
    """Name of the loss."""
    background_class: int | None = None
    """Code of the class that stands for the unknown; null for none."""
    xi: Annotated[float, Gt(0.0)] = 10.0
    """Least length of the logits of known classes."""
    zeta: NonNegative = 0.1
    """Weight of the penalty."""


ClassWeights = Annotated[tuple[float, ...], Strict(False)] | dict[str, float]


@LOSSES.register("softmax_cross_entropy", "category", "category_distribution")
class SoftmaxCrossEntropySpec(LossSpec):
    """Cross entropy of many classes."""

    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    """Name of the loss."""
    class_weights: ClassWeights | Literal["balanced"] | None = None
    """Weight of each class: by name, in the order of the vocabulary, or `balanced` for the inverse of its frequency."""
    robust_lambda: Probability = 0.0
    """Replaces the loss by (1 - lambda) * loss + lambda / classes: for noisy labels."""
    confidence_penalty: NonNegative = 0.0
    """Weight of the penalty on over-confident predictions (Pereyra et al. 2017)."""
    class_similarities: Annotated[tuple[Annotated[tuple[float, ...], Strict(False)], ...], Strict(False)] | None = None
    """Similarity of each class to each other: the target becomes a distribution over similar classes."""
    class_similarities_temperature: NonNegative = 0.0
    """Temperature of the softmax over the similarities; 0 leaves the target as it is."""


@LOSSES.register("sigmoid_cross_entropy", "set")
class SigmoidCrossEntropySpec(LossSpec):
    """Cross entropy of having or not having each symbol, the mean over the symbols."""

    type: Literal["sigmoid_cross_entropy"] = "sigmoid_cross_entropy"
    """Name of the loss."""
    class_weights: ClassWeights | Literal["balanced"] | None = None
    """Weight of the rows that have a symbol, for each: by name, in the order of the vocabulary, or `balanced` for the
    rows without over those with it."""


@LOSSES.register("softmax_cross_entropy", "vector")
class VectorCrossEntropySpec(LossSpec):
    """Cross entropy of vectors that are probabilities."""

    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    """Name of the loss."""


@LOSSES.register("corn", "category", "category_distribution")
class CornSpec(LossSpec):
    """Ordinal classes by conditional probabilities; the classes' order is that of their names (Shi et al. 2021)."""

    type: Literal["corn"] = "corn"
    """Name of the loss."""


@LOSSES.register("poly", "category", "category_distribution")
class PolySpec(LossSpec):
    """Cross entropy plus epsilon times the missing probability (Leng et al. 2022)."""

    type: Literal["poly"] = "poly"
    """Name of the loss."""
    epsilon: float = 1.0
    """Weight of the second term."""


@LOSSES.register("sparsemax", "category", "category_distribution")
class SparsemaxSpec(LossSpec):
    """The loss whose link gives sparse probabilities (Martins and Astudillo 2016)."""

    type: Literal["sparsemax"] = "sparsemax"
    """Name of the loss."""


@LOSSES.register("entmax15", "category", "category_distribution")
class Entmax15Spec(LossSpec):
    """Between softmax and sparsemax (Peters et al. 2019)."""

    type: Literal["entmax15"] = "entmax15"
    """Name of the loss."""
