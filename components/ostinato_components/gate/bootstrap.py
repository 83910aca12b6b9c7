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


def intervals(
    measure: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, *, confidence: float, resamples: int, seed: int
) -> list[Interval | None]:
    """The intervals of M differences between two models measured on the same rows; the same seed gives the same.

    Args:
        measure: numbers of rows -> [M] differences; NaN where one is not defined.
        rows: [N] numbers of the rows.
        confidence: level of the intervals.
        resamples: how often rows are drawn.
        seed: of the draws.

    Returns:
        None for a difference that is not defined on most draws.
    """
    generator = np.random.default_rng(seed)
    some = rows if len(rows) <= MOST_ROWS else np.sort(generator.choice(rows, MOST_ROWS, replace=False))
    draws = (some[generator.integers(0, len(some), len(some))] for _ in range(resamples))
    values = np.stack([measure(draw) for draw in draws], axis=1)
    narrower = (len(some) / len(rows)) ** 0.5
    # The draws lie around what was measured on some rows, the interval around what is on all.
    whole = measure(rows) if len(some) < len(rows) else None
    return [
        _interval(drawn[np.isfinite(drawn)], resamples, confidence, None if whole is None else (whole[place], narrower))
        for place, drawn in enumerate(values)
    ]


def _interval(
    drawn: np.ndarray, resamples: int, confidence: float, around: tuple[float, float] | None
) -> Interval | None:
    """Of the drawn values; `around` is the middle of the interval and a factor of its width, where they differ."""
    if len(drawn) < _LEAST_DEFINED * resamples:
        return None
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    if around is None:
        return Interval(float(low), float(high))
    middle, (whole, factor) = float(np.mean(drawn)), around
    return Interval(float(whole + (low - middle) * factor), float(whole + (high - middle) * factor))
