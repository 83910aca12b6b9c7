"""Whether a model beats predicting the same for every row. N rows, K classes."""

from __future__ import annotations

import math

import numpy as np

from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.features.set.spec import SetOutputSpec
from ostinato.features.spec import OutputSpec
from ostinato.metrics.data import has_symbol, roc_auc

_CLASSES = ("binary", "category")
_TINY = float(np.finfo(np.float32).tiny)
_CERTAIN = 1.64
"""Standard errors by which a mean must be above zero; chance alone does that in one of twenty cases."""


def no_better_than_trivial(
    output: OutputSpec, scores: np.ndarray, targets: np.ndarray, training: np.ndarray
) -> str | None:
    """A warning if the scores are no better, beyond chance, than the same prediction for every row; else None.

    A model is better if any of its errors is: squared or absolute, wrong classes or log loss, or the order of its
    scores (binary). `targets` belong to the scores, `training` are those of the training rows; both are encoded.
    """
    if output.type in _CLASSES:
        known = targets >= 0
        scores, targets, training = scores[known], targets[known], training[training >= 0]
    if not len(targets) or not len(training) or not np.isfinite(scores).all():
        return None
    own = _errors(output, scores, targets)
    same = {
        kind: _errors(output, np.broadcast_to(constant, scores.shape), targets)[kind]
        for kind, constant in _constants(output, training, scores).items()
    }
    if any(_is_above_zero(same[kind] - own[kind]) for kind in own) or _orders(output, scores, targets):
        return None
    kind = next(iter(own))
    what = "the most frequent class" if output.type in _CLASSES else "the mean of the training rows"
    return (
        f"{output.name}: the model is no better than predicting {what} ({kind} {own[kind].mean():.4g} against "
        f"{same[kind].mean():.4g}, on {len(targets):,} rows). The inputs may say nothing about it, or training went "
        "wrong: see the learning curves, and try another learning rate or more rows."
    )


def _constants(output: OutputSpec, training: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Kind of error -> the constant score that makes it small on the training rows."""
    if output.type == "number":
        return {"squared error": np.mean(training), "absolute error": np.median(training)}
    if output.type == "vector":
        return {"squared error": training.mean(axis=0), "absolute error": np.median(training, axis=0)}
    if output.type == "category_distribution":
        return {"log loss": training.mean(axis=0)}
    if output.type == "set":
        shares = has_symbol(training, scores.shape[1]).mean(axis=0)
        return {"log loss": shares, "share of wrong symbols": shares}
    counts = np.bincount(training.astype(np.int64), minlength=2 if scores.ndim == 1 else scores.shape[1])
    shares = counts / len(training)
    constant = shares[1] if output.type == "binary" else shares
    return {"log loss": constant, "share of wrong rows": constant}


def _errors(output: OutputSpec, scores: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Kind of error -> [N] errors; the most telling kind first."""
    if output.type == "number":
        errors = scores.astype(np.float64) - targets
        return {"squared error": errors**2, "absolute error": np.abs(errors)}
    if output.type == "vector":
        errors = scores.astype(np.float64) - targets
        return {"squared error": (errors**2).mean(axis=1), "absolute error": np.abs(errors).mean(axis=1)}
    if output.type == "category_distribution":
        return {"log loss": -(targets * np.log(np.maximum(scores.astype(np.float64), _TINY))).sum(axis=1)}
    if isinstance(output, SetOutputSpec):
        has = has_symbol(targets, scores.shape[1])
        own = np.where(has, scores, 1 - scores).astype(np.float64)
        wrong = (scores >= output.threshold) != has
        return {"log loss": -np.log(np.maximum(own, _TINY)).mean(axis=1), "share of wrong symbols": wrong.mean(axis=1)}
    if isinstance(output, BinaryOutputSpec):
        predicted = (scores >= output.threshold).astype(np.int64)
        right = np.where(targets == 1, scores, 1 - scores)
    else:
        predicted = scores.argmax(axis=1)
        right = scores[np.arange(len(scores)), targets]
    loss = -np.log(np.maximum(right.astype(np.float64), _TINY))
    return {"log loss": loss, "share of wrong rows": (predicted != targets).astype(np.float64)}


def _is_above_zero(differences: np.ndarray) -> bool:
    """Whether the mean [N] is above zero by more than chance."""
    error = float(np.std(differences)) / math.sqrt(len(differences))
    return float(np.mean(differences)) > _CERTAIN * error


def _orders(output: OutputSpec, scores: np.ndarray, targets: np.ndarray) -> bool:
    """Whether true rows score above false ones by more than chance: a rare class is ranked before it is predicted."""
    positive = targets == 1
    if output.type != "binary" or positive.all() or not positive.any():
        return False
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    # Of the area where scores say nothing (Mann and Whitney 1947).
    error = math.sqrt((len(targets) + 1) / (12 * num_positive * num_negative))
    return roc_auc(scores, positive) > 0.5 + _CERTAIN * error
