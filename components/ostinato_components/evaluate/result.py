"""What an evaluation finds out. N rows, K classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from ostinato.column import Fitted
from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.features.set.spec import SetOutputSpec
from ostinato.features.spec import OutputSpec
from ostinato.metrics.data import has_symbol
from ostinato.metrics.spec import COMBINED
from ostinato.predictor import Predictor
from ostinato.shape import Shape
from ostinato_components.evaluate import curves
from ostinato_components.evaluate.classes import ClassCounts, statistics, symbol_statistics
from ostinato_components.evaluate.verdict import Verdict, class_verdict, error_verdict

_ERRORS = {
    "number": ("root_mean_squared_error", "the mean of the training rows"),
    "vector": ("root_mean_squared_error", "the mean of the training rows"),
    "set": ("log_loss", "the shares of the symbols among the training rows"),
    "distribution": ("log_loss", "the mean of the training rows"),
}
"""Kind of output -> the error that is judged, and what is predicted without a model."""


@dataclass(frozen=True)
class OutputResult:
    """One output feature over the rows of a split."""

    spec: OutputSpec
    fitted: Fitted
    shape: Shape
    scores: np.ndarray
    """[N] or [N, K], as `OutputColumn.predictions` takes them."""
    targets: np.ndarray
    """[N] or [N, T] encoded; -1 where the target is none of the training rows' classes."""
    metrics: dict[str, float]
    baseline: dict[str, float]
    """The same metrics for predicting the mean, or the shares of the classes, of the training rows for every row."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of which a row has one; none for numbers, sets, vectors and distributions."""
        return self.shape.classes if self.shape.kind in ("binary", "code") else ()

    @cached_property
    def is_known(self) -> np.ndarray:
        """[N] bool: rows whose target the training rows had."""
        known: np.ndarray = np.ones(len(self.targets), dtype=bool)
        if self.classes:
            known = self.targets >= 0
        return known

    @cached_property
    def predicted(self) -> np.ndarray:
        """[N] codes of the predicted classes (outputs with classes)."""
        if isinstance(self.spec, BinaryOutputSpec):
            return (self.scores >= self.spec.threshold).astype(np.int64)
        codes: np.ndarray = self.scores.argmax(axis=1)
        return codes

    @cached_property
    def counts(self) -> ClassCounts:
        """Counts by class (outputs with classes)."""
        return ClassCounts(self.predicted, self.targets, self.classes)

    @cached_property
    def symbols(self) -> dict[str, dict[str, float]]:
        """Rows that have each symbol, precision, recall and F1 (sets), for the most frequent symbols."""
        assert isinstance(self.spec, SetOutputSpec), "only a set has symbols"
        has, said = has_symbol(self.targets, self.shape.vocab_size), self.scores >= self.spec.threshold
        return symbol_statistics(has, said, self.shape.classes)

    @cached_property
    def positive(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Scores and truth of the positive class over rows with a known target; None but for two classes."""
        if len(self.classes) != 2:
            return None
        scores = self.scores if self.scores.ndim == 1 else self.scores[:, 1]
        return scores[self.is_known], self.targets[self.is_known] == 1

    @cached_property
    def roc(self) -> curves.RocCurve | None:
        """None where there are not two classes in the rows."""
        return curves.roc_curve(*self.positive) if self.positive else None

    @cached_property
    def precision_recall(self) -> curves.PrecisionRecallCurve | None:
        """None where there are not two classes, or no row of the second."""
        return curves.precision_recall_curve(*self.positive) if self.positive else None

    @cached_property
    def calibration(self) -> curves.CalibrationCurve | None:
        """Of the positive class, or of the predicted one where there are more than two; None for a number."""
        if not self.classes or not self.is_known.any():
            return None
        if self.positive:
            return curves.calibration_curve(*self.positive)
        right = self.predicted == self.targets
        return curves.calibration_curve(self.scores.max(axis=1)[self.is_known], right[self.is_known])

    @cached_property
    def brier(self) -> float | None:
        """Brier score over rows with a known target; None for a number or without rows."""
        if not self.classes or not self.is_known.any():
            return None
        return curves.brier_score(self.scores[self.is_known], self.targets[self.is_known])

    @cached_property
    def verdict(self) -> Verdict | None:
        """Whether the model is worth anything; None where that can't be said."""
        if not self.baseline:
            return None
        if not self.classes:
            return error_verdict(self.metrics, self.baseline, *_ERRORS[self.shape.kind])
        majority = self.classes[int(np.argmax(self.shape.class_counts))]
        return class_verdict(self.metrics, self.baseline, majority, len(self.targets))

    def statistics(self) -> dict[str, Any]:
        """The output's part of Ludwig's `test_statistics.json`, without curves of more than 200 points."""
        values: dict[str, Any] = dict(self.metrics)
        if self.baseline:
            values["baseline"] = self.baseline
        if self.shape.kind == "set":
            values["per_class_stats"] = self.symbols
        if not self.classes:
            return values
        if self.brier is not None and self.calibration is not None:
            values["brier_score"] = self.brier
            values["expected_calibration_error"] = self.calibration.expected_error
            values["calibration_curve"] = {
                "confidence": self.calibration.confidence.tolist(),
                "frequency": self.calibration.frequency.tolist(),
                "counts": self.calibration.counts.tolist(),
            }
        values |= statistics(self.counts)
        if self.roc is not None:
            values["roc_curve"] = {
                "false_positive_rate": self.roc.false_positive_rate.tolist(),
                "true_positive_rate": self.roc.true_positive_rate.tolist(),
                "thresholds": self.roc.thresholds.tolist(),
            }
        if self.precision_recall is not None:
            values["precision_recall_curve"] = {
                "precisions": self.precision_recall.precision.tolist(),
                "recalls": self.precision_recall.recall.tolist(),
                "thresholds": self.precision_recall.thresholds.tolist(),
            }
        return values


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found out."""

    split: str
    """`training`, `validation`, `test`, or `full` for all rows of the data."""
    rows: int
    outputs: dict[str, OutputResult]
    combined: dict[str, float]
    """Metrics of all outputs together: the weighted sum of their losses, where it is known."""
    predictor: Predictor
    warnings: tuple[str, ...] = ()
    report_html: str = field(default="", repr=False)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Output -> metric -> value."""
        metrics = {name: output.metrics for name, output in self.outputs.items()}
        return metrics | ({COMBINED: self.combined} if self.combined else {})

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """What `test_statistics.json` says, with Ludwig's names; JSON, every number finite."""
        found: dict[str, Any] = {name: output.statistics() for name, output in self.outputs.items()}
        return found | ({COMBINED: self.combined} if self.combined else {})

    @cached_property
    def predictions(self) -> pa.Table:
        """The columns of predictions of all rows, in the order of the data."""
        return self.predictor.predictions(self.scores())

    def scores(self, rows: slice = slice(None)) -> Mapping[str, np.ndarray]:
        """Scores of some rows by output."""
        return {name: output.scores[rows] for name, output in self.outputs.items()}
