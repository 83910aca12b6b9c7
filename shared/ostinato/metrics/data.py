"""Metrics of one output. N rows, K classes, T numbers or codes of a target.

Only numpy, because they are computed at every evaluation.
"""

from __future__ import annotations

import math

import numpy as np

from ostinato.column import Fitted, output_column
from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.features.category.spec import CategoryOutputSpec
from ostinato.features.category_distribution.spec import CategoryDistributionOutputSpec
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.features.set.spec import SetOutputSpec
from ostinato.features.spec import OutputSpec
from ostinato.features.vector.spec import VectorOutputSpec
from ostinato.metrics.spec import LOSS, UNKNOWN_TARGETS

_TINY = float(np.finfo(np.float32).tiny)

_MOST_SCORES = 50_000_000
"""Rows times classes above which `roc_auc` of a category is left out: it sorts once for each class."""


def compute(
    spec: OutputSpec, scores: np.ndarray, targets: np.ndarray, fitted: Fitted, *, loss: float | None = None
) -> dict[str, float]:
    """Metric -> value for encoded targets [N] or [N, T] and scores as `OutputColumn.predictions` takes them.

    What is not defined (no rows, one class, a constant target, scores that are not finite) is left out, so every
    value is finite. Targets of -1 are classes that the training rows did not have: they count as wrong in accuracy,
    precision, f1 and hits_at_k, and are left out of the rest; `unknown_targets` counts them. `loss` is reported as
    it is given, because it needs the network's logits.
    """
    assert len(scores) == len(targets), "as many scores as targets"
    values: dict[str, float] = {}
    if len(targets) and np.isfinite(scores).all():
        match spec:
            case NumberOutputSpec():
                values = _number(_units(spec, scores, fitted), _units(spec, targets, fitted))
            case BinaryOutputSpec():
                values = _binary(scores.astype(np.float64), targets, spec.threshold)
            case CategoryOutputSpec():
                values = _category(scores, targets, spec.top_k)
            case CategoryDistributionOutputSpec():
                values = _distribution(scores.astype(np.float64), targets, spec.top_k)
            case SetOutputSpec():
                values = _set(scores, targets, spec.threshold)
            case VectorOutputSpec():
                values = _vector(scores.astype(np.float64), targets.astype(np.float64))
            case _:
                raise AssertionError(f"no metrics for {spec.type}")
    if loss is not None:
        values[LOSS] = loss
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _units(spec: NumberOutputSpec, encoded: np.ndarray, fitted: Fitted) -> np.ndarray:
    """[N] on the normalized scale -> [N] float64 in the column's own units."""
    decoded = output_column(spec).decode(encoded, fitted)
    return np.asarray(decoded.to_numpy(zero_copy_only=False), dtype=np.float64)


def _number(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        error = predicted - actual
        size = np.abs(error)
        mean_squared = float(np.mean(error**2))
        variance = float(np.var(actual))
        values = {
            "mean_squared_error": mean_squared,
            "root_mean_squared_error": math.sqrt(mean_squared),
            "mean_absolute_error": float(np.mean(size)),
            "huber": float(np.mean(np.where(size < 1, 0.5 * error**2, size - 0.5))),
        }
        # A column of one value has a variance of rounding errors only.
        if variance > 1e-15 * float(np.mean(actual**2)):
            values["r2"] = 1 - mean_squared / variance
        nonzero = actual != 0
        if nonzero.any():
            relative = size[nonzero] / np.abs(actual[nonzero])
            values["mean_absolute_percentage_error"] = float(np.mean(relative))
            values["root_mean_squared_percentage_error"] = float(np.sqrt(np.mean(relative**2)))
    return values


def _binary(probability: np.ndarray, targets: np.ndarray, threshold: float) -> dict[str, float]:
    known = targets >= 0
    positive = targets == 1
    predicted = probability >= threshold
    hits = int(np.sum(predicted & positive))
    num_predicted, num_positive = int(predicted.sum()), int(positive.sum())
    num_negative = int(known.sum()) - num_positive
    misses = int(np.sum(~predicted & (targets == 0)))
    values = {"accuracy": (hits + misses) / len(targets)}
    if num_predicted:
        values["precision"] = hits / num_predicted
    if num_positive:
        values["recall"] = hits / num_positive
        values["f1"] = 2 * hits / (num_predicted + num_positive)
    if num_negative:
        values["specificity"] = misses / num_negative
    if num_positive and num_negative:
        values["balanced_accuracy"] = (values["recall"] + values["specificity"]) / 2
        values["roc_auc"] = roc_auc(probability[known], positive[known])
        values["average_precision"] = average_precision(probability[known], positive[known])
    if known.any():
        right = np.where(positive, probability, 1 - probability)[known]
        values["log_loss"] = -float(np.mean(np.log(np.maximum(right, _TINY))))
    return values | _unknown(known)


def _category(probabilities: np.ndarray, targets: np.ndarray, top_k: int) -> dict[str, float]:
    num_classes = probabilities.shape[1]
    known = targets >= 0
    predicted = probabilities.argmax(axis=1)
    right = predicted == targets
    hits = np.bincount(predicted[right], minlength=num_classes)
    num_actual = np.bincount(targets[known], minlength=num_classes)
    num_predicted = np.bincount(predicted, minlength=num_classes)
    present = num_actual > 0
    values = {"accuracy": float(np.mean(right))}
    if present.any():
        values["balanced_accuracy"] = float(np.mean(hits[present] / num_actual[present]))
        seen = present | (num_predicted > 0)
        values["f1"] = float(np.mean(2 * hits[seen] / (num_actual + num_predicted)[seen]))
        own = probabilities[known, targets[known]].astype(np.float64)
        values["log_loss"] = -float(np.mean(np.log(np.maximum(own, _TINY))))
    values |= _hits(probabilities, targets, top_k)
    if len(targets) * num_classes <= _MOST_SCORES:
        one = present & (num_actual < known.sum())
        areas = [roc_auc(probabilities[known, code], targets[known] == code) for code in np.flatnonzero(one)]
        if areas:
            values["roc_auc"] = float(np.mean(areas))
    return values | _unknown(known)


def _hits(probabilities: np.ndarray, codes: np.ndarray, top_k: int) -> dict[str, float]:
    if probabilities.shape[1] <= top_k:
        return {}
    best = np.argpartition(probabilities, -top_k, axis=1)[:, -top_k:]
    return {"hits_at_k": float(np.mean((best == codes[:, None]).any(axis=1)))}


def _distribution(predicted: np.ndarray, actual: np.ndarray, top_k: int) -> dict[str, float]:
    most = actual.argmax(axis=1)
    return {
        "accuracy": float(np.mean(predicted.argmax(axis=1) == most)),
        "log_loss": -float(np.mean((actual * np.log(np.maximum(predicted, _TINY))).sum(axis=1))),
        "total_variation": float(np.mean(np.abs(predicted - actual).sum(axis=1))) / 2,
    } | _hits(predicted, most, top_k)


def has_symbol(targets: np.ndarray, num_symbols: int) -> np.ndarray:
    """[N, T] codes, filled up with -1 -> [N, K] bool, true where a row has a symbol."""
    has = np.zeros((len(targets), num_symbols + 1), bool)
    has[np.arange(len(targets))[:, None], targets + 1] = True
    return has[:, 1:]


def _set(probabilities: np.ndarray, targets: np.ndarray, threshold: float) -> dict[str, float]:
    num_symbols = probabilities.shape[1]
    actual, predicted = has_symbol(targets, num_symbols), probabilities >= threshold
    both, either = (actual & predicted).sum(axis=1), (actual | predicted).sum(axis=1)
    hits, of_actual, of_predicted = (x.sum(axis=0) for x in (actual & predicted, actual, predicted))
    values = {
        # Two sets of nothing are the same.
        "jaccard": float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1))),
        "accuracy": float(np.mean(both == either)),
        "hamming_loss": float(np.mean(actual != predicted)),
    }
    if of_predicted.any():
        values["precision"] = float(hits.sum() / of_predicted.sum())
    if of_actual.any():
        values["recall"] = float(hits.sum() / of_actual.sum())
        values["f1_micro"] = float(2 * hits.sum() / (of_actual.sum() + of_predicted.sum()))
        seen = of_actual + of_predicted > 0
        values["f1"] = float(np.mean(2 * hits[seen] / (of_actual + of_predicted)[seen]))
    own = np.where(actual, probabilities, 1 - probabilities)
    values["log_loss"] = -float(np.mean(np.log(np.maximum(own, _TINY), dtype=np.float64)))
    if probabilities.size <= _MOST_SCORES:
        both_ways = np.flatnonzero((of_actual > 0) & (of_actual < len(targets)))
        areas = [roc_auc(probabilities[:, code], actual[:, code]) for code in both_ways]
        if areas:
            values["roc_auc"] = float(np.mean(areas))
    return values


def _vector(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    values = _number(predicted.reshape(-1), actual.reshape(-1))
    for name in ("root_mean_squared_percentage_error", "r2"):
        values.pop(name, None)
    variance = actual.var(axis=0)
    varies = variance > 1e-15 * (actual**2).mean(axis=0)
    if varies.any():
        unexplained = ((predicted - actual) ** 2).mean(axis=0)[varies] / variance[varies]
        values["r2"] = 1 - float(np.mean(unexplained))
    return values


def _unknown(known: np.ndarray) -> dict[str, float]:
    count = int(np.sum(~known))
    return {UNKNOWN_TARGETS: count} if count else {}


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve (Mann-Whitney U, ties count half); both classes must be present."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[first, len(scores)])
    ranks = np.repeat(first + (sizes + 1) / 2, sizes)
    num_positive = int(positive.sum())
    total = float(ranks[positive[order]].sum()) - num_positive * (num_positive + 1) / 2
    return total / (num_positive * (len(scores) - num_positive))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Sum over thresholds of the recall gained times the precision there; a positive row must be present."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    hits = np.cumsum(positive[order])[last]
    gained = np.diff(np.r_[0, hits]) / positive.sum()
    return float(np.sum(gained * hits / (last + 1)))
