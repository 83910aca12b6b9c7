"""Curves of scores against truth, thinned to what a plot can show. N rows; every number is finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_POINTS = 200
NUM_BINS = 10


@dataclass(frozen=True)
class RocCurve:
    """Share of the positive rows found against share of the negative rows taken for positive."""

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray
    """Falling; the first lies just above the highest score, where no row counts as positive."""


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision against recall; recall rises, thresholds fall."""

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class CalibrationCurve:
    """How often what was predicted with some confidence came true, for each bin with rows."""

    confidence: np.ndarray
    """Mean of the probabilities in the bin."""
    frequency: np.ndarray
    """Share of the rows in the bin for which it came true."""
    counts: np.ndarray
    """Rows in the bin."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean of |confidence - frequency| over the rows (Naeini et al. 2015)."""
        gaps = np.abs(self.confidence - self.frequency)
        return float(np.sum(gaps * self.counts) / max(self.counts.sum(), 1))


@dataclass(frozen=True)
class Operating:
    """What a threshold does: rows at or above it count as positive."""

    threshold: float
    precision: float | None
    """None where no row is at or above the threshold."""
    recall: float
    specificity: float
    f1: float
    accuracy: float
    share: float
    """Share of all rows at or above the threshold."""


def _counts(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores, falling, with the number of positive and of negative rows at or above each."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    hits = np.cumsum(positive[order], dtype=np.int64)[last]
    return ordered[last].astype(np.float64), hits, last + 1 - hits


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> RocCurve | None:
    """ROC curve of [N] scores and [N] bool; None where only one class is there."""
    if not positive.any() or positive.all():
        return None
    thresholds, hits, false = _counts(scores, positive)
    true_rate = np.r_[0.0, hits / hits[-1]]
    false_rate = np.r_[0.0, false / false[-1]]
    # scikit-learn starts with a threshold of infinity, which JSON and Kubeflow refuse.
    thresholds = np.r_[np.nextafter(thresholds[0], np.inf), thresholds]
    keep = _evenly(true_rate + false_rate)
    return RocCurve(false_rate[keep], true_rate[keep], thresholds[keep])


def precision_recall_curve(scores: np.ndarray, positive: np.ndarray) -> PrecisionRecallCurve | None:
    """Precision-recall curve of [N] scores and [N] bool; None without a positive row."""
    if not positive.any():
        return None
    thresholds, hits, false = _counts(scores, positive)
    recall = hits / hits[-1]
    keep = _evenly(recall + (hits + false) / len(scores))
    return PrecisionRecallCurve((hits / (hits + false))[keep], recall[keep], thresholds[keep])


def calibration_curve(probability: np.ndarray, came_true: np.ndarray) -> CalibrationCurve:
    """Reliability in ten bins of equal width of [N] probabilities and [N] bool; empty bins are left out."""
    bins = np.clip((probability * NUM_BINS).astype(np.int64), 0, NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    full = counts > 0
    confidence = np.bincount(bins, weights=probability, minlength=NUM_BINS)[full] / counts[full]
    frequency = np.bincount(bins, weights=came_true, minlength=NUM_BINS)[full] / counts[full]
    return CalibrationCurve(confidence, frequency, counts[full])


def brier_score(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean squared distance of [N] probabilities of true, or [N, K] of each class, from the truth (0 is best)."""
    if probabilities.ndim == 1:
        return float(np.mean((probabilities - targets) ** 2, dtype=np.float64))
    own = probabilities[np.arange(len(targets)), targets.astype(np.int64)]
    return float(np.mean(np.sum(probabilities**2, axis=1, dtype=np.float64) - 2 * own + 1))


def operating_points(scores: np.ndarray, positive: np.ndarray, thresholds: list[float]) -> list[Operating]:
    """What each threshold does; both classes must be there."""
    points = []
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    for threshold in thresholds:
        taken = scores >= threshold
        hits = int(np.sum(taken & positive))
        num_taken = int(taken.sum())
        rejected = num_negative - (num_taken - hits)
        points.append(
            Operating(
                threshold=threshold,
                precision=hits / num_taken if num_taken else None,
                recall=hits / num_positive,
                specificity=rejected / num_negative,
                f1=2 * hits / (num_taken + num_positive),
                accuracy=(hits + rejected) / len(positive),
                share=num_taken / len(positive),
            )
        )
    return points


def best_f1_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """The threshold with the highest F1 among the scores; a positive row must be there."""
    thresholds, hits, false = _counts(scores, positive)
    return float(thresholds[np.argmax(2 * hits / (hits + false + hits[-1]))])


def _evenly(position: np.ndarray) -> np.ndarray:
    """Indices of at most MAX_POINTS points, first and last among them, evenly spread over a rising position."""
    if len(position) <= MAX_POINTS:
        return np.arange(len(position))
    wanted = np.linspace(position[0], position[-1], MAX_POINTS)
    inner = np.searchsorted(position, wanted[1:-1])
    return np.unique(np.r_[0, inner, len(position) - 1])
