"""Which classes are taken for which: confusion matrix and statistics by class, as Ludwig names them.

N rows, K classes. Rows whose target is none of the classes (-1) are no part of the matrix; they count as wrong in
`token_accuracy`. All but the matrix follow from counts by class, so that 10,000 classes are no problem.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

MAX_MATRIX_CLASSES = 50
MAX_CLASS_STATISTICS = 1000
OTHER = "(other classes)"


class ClassCounts:
    """Counts by class of [N] predicted and [N] actual codes."""

    def __init__(self, predicted: np.ndarray, actual: np.ndarray, classes: tuple[str, ...]) -> None:
        known = actual >= 0
        self.classes = classes
        self.num_rows = len(actual)
        self.predicted = predicted[known].astype(np.int64)
        self.actual = actual[known].astype(np.int64)
        size = len(classes)
        self.hits = np.bincount(self.actual[self.predicted == self.actual], minlength=size)
        self.num_actual = np.bincount(self.actual, minlength=size)
        self.num_predicted = np.bincount(self.predicted, minlength=size)

    def matrix(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names and counts [K, K], rows actual and columns predicted.

        Above 50 classes the most frequent of the actual ones stay, the others share the last row and column.
        """
        size = len(self.classes)
        names = self.classes
        code = np.arange(size)
        if size > MAX_MATRIX_CLASSES:
            kept = np.sort(np.argsort(-self.num_actual, kind="stable")[: MAX_MATRIX_CLASSES - 1])
            code = np.full(size, MAX_MATRIX_CLASSES - 1)
            code[kept] = np.arange(len(kept))
            names = (*(names[index] for index in kept), OTHER)
            size = MAX_MATRIX_CLASSES
        flat = np.bincount(code[self.actual] * size + code[self.predicted], minlength=size * size)
        return names, flat.reshape(size, size)

    def overall(self) -> dict[str, float]:
        """Ludwig's `overall_stats`; averages over the classes that are there or are predicted."""
        seen = (self.num_actual + self.num_predicted) > 0
        precision = _ratio(self.hits, self.num_predicted)
        recall = _ratio(self.hits, self.num_actual)
        f1 = _ratio(2 * self.hits, self.num_actual + self.num_predicted)
        total = max(int(self.num_actual.sum()), 1)
        weight = self.num_actual / total
        micro = float(self.hits.sum() / total)
        agreement = float(np.sum(weight * self.num_predicted / total))
        values = {"token_accuracy": float(self.hits.sum() / max(self.num_rows, 1))}
        for name, value in (("precision", precision), ("recall", recall), ("f1_score", f1)):
            values[f"avg_{name}_macro"] = float(value[seen].mean()) if seen.any() else 0.0
            values[f"avg_{name}_micro"] = micro
            values[f"avg_{name}_weighted"] = float(np.sum(value * weight))
        values["kappa_score"] = (micro - agreement) / (1 - agreement) if agreement < 1 else 0.0
        return values

    def per_class(self) -> dict[str, dict[str, float]]:
        """Ludwig's `per_class_stats`, by class, for the 1,000 most frequent classes of the training rows."""
        return {name: self._of(code) for code, name in enumerate(self.classes[:MAX_CLASS_STATISTICS])}

    def _of(self, code: int) -> dict[str, float]:
        true_positives = int(self.hits[code])
        false_positives = int(self.num_predicted[code]) - true_positives
        false_negatives = int(self.num_actual[code]) - true_positives
        true_negatives = len(self.actual) - true_positives - false_positives - false_negatives
        precision = _share(true_positives, true_positives + false_positives)
        recall = _share(true_positives, true_positives + false_negatives)
        specificity = _share(true_negatives, true_negatives + false_positives)
        negative_value = _share(true_negatives, true_negatives + false_negatives)
        spread = math.sqrt(
            (true_positives + false_positives)
            * (true_positives + false_negatives)
            * (true_negatives + false_positives)
            * (true_negatives + false_negatives)
        )
        correlation = true_positives * true_negatives - false_positives * false_negatives
        return {
            "true_positives": true_positives,
            "true_negatives": true_negatives,
            "false_positives": false_positives,
            "false_negatives": false_negatives,
            "true_positive_rate": recall,
            "true_negative_rate": specificity,
            "positive_predictive_value": precision,
            "negative_predictive_value": negative_value,
            "false_negative_rate": 1 - recall,
            "false_positive_rate": 1 - specificity,
            "false_discovery_rate": 1 - precision,
            "false_omission_rate": 1 - negative_value,
            "accuracy": _share(true_positives + true_negatives, len(self.actual)),
            "precision": precision,
            "recall": recall,
            "f1_score": _share(2 * true_positives, 2 * true_positives + false_positives + false_negatives),
            "sensitivity": recall,
            "specificity": specificity,
            "hit_rate": recall,
            "miss_rate": 1 - recall,
            "fall_out": 1 - specificity,
            "matthews_correlation_coefficient": correlation / spread if spread else 0.0,
            "informedness": recall + specificity - 1,
            "markedness": precision + negative_value - 1,
        }


def symbol_statistics(has: np.ndarray, said: np.ndarray, symbols: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """[N, K] what rows have, [N, K] what is predicted -> by symbol, for the most frequent of the training rows."""
    found = {}
    for code, name in enumerate(symbols[:MAX_CLASS_STATISTICS]):
        hits, actual, predicted = (int(x.sum()) for x in (has[:, code] & said[:, code], has[:, code], said[:, code]))
        found[name] = {
            "rows": actual,
            "precision": _share(hits, predicted),
            "recall": _share(hits, actual),
            "f1_score": _share(2 * hits, actual + predicted),
        }
    return found


def statistics(counts: ClassCounts) -> dict[str, Any]:
    """`confusion_matrix`, `overall_stats` and `per_class_stats` as in Ludwig's `test_statistics.json`."""
    names, matrix = counts.matrix()
    return {
        "confusion_matrix": matrix.tolist(),
        "confusion_matrix_labels": list(names),
        "overall_stats": counts.overall(),
        "per_class_stats": counts.per_class(),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Element by element; 0 where the whole is 0."""
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return ratio


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
