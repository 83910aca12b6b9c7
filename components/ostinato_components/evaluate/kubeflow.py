"""What the run page of Kubeflow shows of an evaluation: plain values, without kfp.

KFP fails a task after its work is done on NaN, infinity or a curve that is too long; none of these comes from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ostinato_components.evaluate.result import EvaluationResult


@dataclass(frozen=True)
class Classification:
    """What KFP's `ClassificationMetrics` takes; each part empty where there is nothing to show."""

    labels: tuple[str, ...] = ()
    """At most 50; the last may stand for all other classes."""
    matrix: tuple[tuple[int, ...], ...] = ()
    """Rows actual, columns predicted."""
    fpr: tuple[float, ...] = ()
    """False positive rates of the ROC curve, at most 200."""
    tpr: tuple[float, ...] = ()
    """True positive rates."""
    thresholds: tuple[float, ...] = ()
    """Thresholds, falling."""


def kfp_metrics(result: EvaluationResult) -> dict[str, float]:
    """`<output>.<metric>` -> value, finite."""
    return {
        f"{output}.{name}": float(value)
        for output, values in result.statistics.items()
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def kfp_classification(result: EvaluationResult) -> Classification:
    """Confusion matrix and ROC curve of the first output with classes."""
    for output in result.outputs.values():
        if not output.classes:
            continue
        labels, matrix = output.counts.matrix()
        rows = tuple(tuple(int(count) for count in row) for row in matrix)
        roc = output.roc
        if roc is None:
            return Classification(labels, rows)
        return Classification(
            labels,
            rows,
            tuple(roc.false_positive_rate.tolist()),
            tuple(roc.true_positive_rate.tolist()),
            tuple(roc.thresholds.tolist()),
        )
    return Classification()
