"""Statistics of a column as people read them: `statistics.json`, and what the profile draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from ostinato.sample import SAMPLE_SIZE
from ostinato.statistics.column import ColumnStats

PERCENTILES = tuple(level / 100 for level in range(101))
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 30
_TOP = 200


def summary(stats: ColumnStats, type_name: str) -> dict[str, Any]:
    """Counts for every column; of numbers also moments, quantiles and a histogram; of texts also lengths."""
    found: dict[str, Any] = {
        "rows": stats.rows,
        "missing": stats.missing,
        "distinct": stats.distinct.count(),
        "distinct_is_exact": stats.distinct.is_exact,
        "top_values": [{"value": value, "count": count} for value, count in stats.frequencies.most_common(_TOP)],
    }
    if stats.numbers.count and (type_name == "number" or not stats.no_numbers):
        found["number"] = _of_numbers(stats)
    if stats.lengths.values:
        found["text"] = {
            "mean_characters": stats.lengths.mean_characters,
            "mean_words": stats.lengths.mean_words,
            "longest": stats.lengths.longest,
        }
    return found


def _of_numbers(stats: ColumnStats) -> dict[str, Any]:
    percentiles = stats.sample.quantiles(PERCENTILES)
    return {
        "count": stats.numbers.count,
        "no_numbers": stats.no_numbers,
        "infinite": stats.infinite,
        "minimum": stats.minimum,
        "maximum": stats.maximum,
        "mean": stats.numbers.mean(),
        "std": stats.numbers.deviation(),
        "quantiles": {f"{level:g}": percentiles[round(100 * level)] for level in QUANTILES},
        "percentiles": percentiles,
        "histogram": histogram(stats),
    }


def histogram(stats: ColumnStats) -> dict[str, Any]:
    """Edges and counts; exact for few distinct numbers, else of a sample of 16,384 rows, scaled to all of them.

    Far outliers are left out of the range and counted as `below` and `above`.
    """
    values, weights = stats.sample.values, np.full(len(stats.sample.values), stats.numbers.count)
    weights = weights / max(len(values), 1)
    if stats.numbers.count > SAMPLE_SIZE and stats.frequencies.counts is not None and not stats.no_numbers:
        pairs = stats.frequencies.most_common()
        values = np.array([float(value) for value, _ in pairs])
        weights = np.array([count for _, count in pairs], np.float64)
    low, high = _range(stats)
    is_steps = stats.whole and high - low < _BINS
    edges = np.arange(low - 0.5, high + 1) if is_steps else np.linspace(low, high, _BINS + 1)
    counts, _ = np.histogram(values, edges, weights=weights)
    return {
        "edges": edges.tolist(),
        "counts": [round(count) for count in counts.tolist()],
        "below": round(float(weights[values < edges[0]].sum())),
        "above": round(float(weights[values > edges[-1]].sum())),
    }


def _range(stats: ColumnStats) -> tuple[float, float]:
    """Where most values lie: as far out of the middle 98% as that is wide, at most."""
    first, last = stats.sample.quantiles((0.01, 0.99))
    width = last - first
    low, high = max(stats.minimum, first - width), min(stats.maximum, last + width)
    if width == 0 or not np.isfinite(width):
        low, high = stats.minimum, stats.maximum
    if low == high:
        return low - 0.5, high + 0.5
    return low, high
