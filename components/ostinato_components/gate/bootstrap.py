"""How sure a difference of two models is: percentile intervals by paired bootstrap (Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST_ROWS = 20_000
"""Rows of a resample. Where there are more, intervals come of so many at random and are narrowed by the root of the
shares: errors of such metrics fall with the root of the rows."""
_LEAST_DEFINED = 0.5


@dataclass(frozen=True)
class Interval:
    """Bounds of a confidence interval."""

    low: float
    high: float


def improvements(
    measure: Callable[[np.ndarray], float], rows: np.ndarray, *, confidence: float, resamples: int, seed: int
) -> Interval | None:
    """The interval of a difference between two models measured on the same rows; the same seed gives the same.

    Args:
        measure: numbers of rows -> the difference; NaN where it is not defined.
        rows: [N] numbers of the rows.
        confidence: level of the interval.
        resamples: how often rows are drawn.
        seed: of the draws.

    Returns:
        None where the difference is not defined on most draws.
    """
    generator = np.random.default_rng(seed)
    some = rows if len(rows) <= MOST_ROWS else np.sort(generator.choice(rows, MOST_ROWS, replace=False))
    drawn = (some[generator.integers(0, len(some), len(some))] for _ in range(resamples))
    values = np.array([measure(draw) for draw in drawn])
    values = values[np.isfinite(values)]
    if len(values) < _LEAST_DEFINED * resamples:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    if len(some) == len(rows):
        return Interval(float(low), float(high))
    middle, whole = float(np.mean(values)), measure(rows)
    narrower = (len(some) / len(rows)) ** 0.5
    return Interval(whole + (float(low) - middle) * narrower, whole + (float(high) - middle) * narrower)
