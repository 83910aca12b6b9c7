"""Which metrics each output type has, and which way is better. Names are Ludwig's; what they mean is below.

Where Ludwig differs: `accuracy` is the share of rows predicted right (Ludwig: the mean over classes, here
`balanced_accuracy`), and metrics of numbers are in the column's own units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Objective = Literal["maximize", "minimize"]

COMBINED = "combined"
"""The name under which the weighted sum of all losses is reported; its only metric is `loss`."""

LOSS = "loss"
"""The value of the output's own loss, on the scale on which it is trained."""


@dataclass(frozen=True)
class Metric:
    """A metric of one output type."""

    objective: Objective
    meaning: str
    """One line for reports."""


_LOSS = Metric("minimize", "the output's own loss, on the scale on which it is trained")
_ACCURACY = Metric("maximize", "share of rows predicted right; an unknown target counts as wrong")
_BALANCED = Metric("maximize", "mean over the classes of the share of their rows predicted right")

_LOG_LOSS = Metric("minimize", "mean negative logarithm of the probability given to the target")
_VARIANCE = "share of the variance that is explained; 0 for predicting the mean"

METRICS: dict[str, dict[str, Metric]] = {
    "number": {
        "mean_squared_error": Metric("minimize", "mean of squared errors, in squared units of the column"),
        "root_mean_squared_error": Metric("minimize", "root of the mean of squared errors, in units of the column"),
        "mean_absolute_error": Metric("minimize", "mean of absolute errors, in units of the column"),
        "r2": Metric("maximize", _VARIANCE),
        "mean_absolute_percentage_error": Metric(
            "minimize", "mean of absolute errors relative to the target; rows with target 0 are left out"
        ),
        "root_mean_squared_percentage_error": Metric(
            "minimize", "root of the mean of squared errors relative to the target; rows with target 0 are left out"
        ),
        "huber": Metric("minimize", "squared for errors below one unit of the column, absolute above"),
        LOSS: _LOSS,
    },
    "binary": {
        "roc_auc": Metric("maximize", "probability that a true row scores above a false one"),
        "accuracy": _ACCURACY,
        "balanced_accuracy": _BALANCED,
        "precision": Metric("maximize", "share of the rows predicted true that are true"),
        "recall": Metric("maximize", "share of the true rows predicted true"),
        "specificity": Metric("maximize", "share of the false rows predicted false"),
        "f1": Metric("maximize", "harmonic mean of precision and recall"),
        "average_precision": Metric("maximize", "mean precision over all thresholds, weighted by recall gained"),
        "log_loss": _LOG_LOSS,
        LOSS: _LOSS,
    },
    "category": {
        "accuracy": _ACCURACY,
        "balanced_accuracy": _BALANCED,
        "f1": Metric("maximize", "mean over the classes of the harmonic mean of precision and recall"),
        "hits_at_k": Metric("maximize", "share of rows whose class is among the top_k most probable ones"),
        "roc_auc": Metric("maximize", "mean over the classes of the area under the ROC curve, one against the rest"),
        "log_loss": _LOG_LOSS,
        LOSS: _LOSS,
    },
    "category_distribution": {
        "accuracy": Metric("maximize", "share of rows whose most probable class is that of the target"),
        "hits_at_k": Metric("maximize", "share of rows whose most probable class is among the top_k predicted ones"),
        "log_loss": Metric("minimize", "mean cross entropy of the predicted with the true probabilities"),
        "total_variation": Metric("minimize", "mean over the rows of the probability that lies in a wrong class"),
        LOSS: _LOSS,
    },
    "set": {
        "jaccard": Metric("maximize", "mean over the rows of symbols in both sets over symbols in either"),
        "accuracy": Metric("maximize", "share of rows with exactly the right set"),
        "f1_micro": Metric("maximize", "harmonic mean of precision and recall over all symbols of all rows"),
        "f1": Metric("maximize", "mean over the symbols of the harmonic mean of precision and recall"),
        "precision": Metric("maximize", "share of the predicted symbols that the rows have"),
        "recall": Metric("maximize", "share of the rows' symbols that are predicted"),
        "hamming_loss": Metric("minimize", "share of wrong decisions over all symbols of all rows"),
        "roc_auc": Metric("maximize", "mean over the symbols of the area under the ROC curve"),
        "log_loss": Metric("minimize", "mean over rows and symbols of the binary cross entropy"),
        LOSS: _LOSS,
    },
    "vector": {
        "mean_squared_error": Metric("minimize", "mean over rows and numbers of squared errors"),
        "root_mean_squared_error": Metric("minimize", "root of the mean of squared errors"),
        "mean_absolute_error": Metric("minimize", "mean over rows and numbers of absolute errors"),
        "r2": Metric("maximize", f"{_VARIANCE}; the mean over the numbers of a vector"),
        "mean_absolute_percentage_error": Metric(
            "minimize", "mean of absolute errors relative to the target; numbers that are 0 are left out"
        ),
        "huber": Metric("minimize", "squared for errors below one, absolute above"),
        LOSS: _LOSS,
    },
}
"""Output type -> metric -> what it is. A metric that is not defined for a split (one class, no rows) is left out."""

UNKNOWN_TARGETS = "unknown_targets"
"""A count that is reported beside the metrics: rows whose target is none of the training rows' classes."""

ALIASES: dict[str, str] = {
    "accuracy_micro": "accuracy",
    "token_accuracy": "accuracy",
    "binary_weighted_cross_entropy": LOSS,
    "softmax_cross_entropy": LOSS,
    "sigmoid_cross_entropy": LOSS,
    "corn": LOSS,
}
"""Names that Ludwig's configs use for metrics that are called otherwise here."""

VALIDATION_METRIC = LOSS
"""The metric that decides on the best model where the config names none, for every output type.

Measured on small tables: the loss picks better models, by every other metric too, because accuracy and ROC AUC of a
few hundred rows move in steps and by chance. (Ludwig: mean_squared_error, roc_auc, accuracy of the first output.)
"""


def metric_names(output_type: str) -> list[str]:
    """Names that `validation_metric` may take for an output of that type, aliases last."""
    if output_type == COMBINED:
        return [LOSS]
    known = METRICS[output_type]
    return [*known, *(alias for alias, name in ALIASES.items() if name in known)]


def canonical(name: str) -> str:
    """The name under which a metric is reported."""
    return ALIASES.get(name, name)


def objective(name: str) -> Objective:
    """Which way is better for a metric of any type (a name means the same way everywhere)."""
    name = canonical(name)
    return next(metrics[name].objective for metrics in METRICS.values() if name in metrics)
