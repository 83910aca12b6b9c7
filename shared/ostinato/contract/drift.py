"""How a distribution has changed: shares in a contract beside shares in data. K bins or categories.

Shares of numbers come from 101 percentiles, so a share is off by about 0.01; shares of categories are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ostinato.contract.spec import ColumnContract, Contract
from ostinato.report.page import short
from ostinato.sample import SAMPLE_SIZE

OTHERS = "others"
"""What stands for all categories that a contract does not list."""
_ROUNDING = 5e-4
_CHANCE_Z = 3.09
"""Standard deviations that chance stays below in 999 of 1,000 cases."""

Statistics = Mapping[str, Any]
"""What `statistics.json` says of the data, or of a column."""


@dataclass(frozen=True)
class Drift:
    """How the distribution of a column has changed."""

    names: tuple[str, ...]
    """[K] of the bins or categories."""
    expected: np.ndarray
    """[K] shares in the contract."""
    found: np.ndarray
    """[K] shares in the data."""
    psi: float
    """Population stability index."""
    jensen_shannon: float
    """Jensen-Shannon divergence in bits."""
    chance: float
    """What the index stays below in 999 of 1,000 cases where nothing has changed."""


def drift(contract: Contract, column: ColumnContract, statistics: Statistics) -> Drift | None:
    """How a column's distribution has changed; None where one of the two is not known."""
    present = statistics["rows"] - statistics["missing"]
    expected_rows = contract.rows * (1 - column.missing)
    if not present or expected_rows < 1:
        return None
    if column.bins is not None:
        if "number" not in statistics:
            return None
        edges = np.array(column.bins.edges)
        # Percentiles are those of a sample.
        expected_rows, present = min(expected_rows, SAMPLE_SIZE), min(present, SAMPLE_SIZE)
        found = shares_between(edges, statistics["number"]["percentiles"])
        names, expected = _bin_names(edges), np.array(column.bins.shares)
    elif column.categories is not None and statistics["top_values"]:
        names, expected, found = category_shares(column.categories, statistics, present)
    else:
        return None
    expected, found = expected / max(expected.sum(), 1e-9), found / max(found.sum(), 1e-9)
    p, q = _smooth(expected, expected_rows), _smooth(found, present)
    middle = (p + q) / 2
    divergence = float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)
    return Drift(
        tuple(names),
        expected,
        found,
        float(((q - p) * np.log(q / p)).sum()),
        divergence,
        _chance(len(names), expected_rows, present),
    )


def shares_between(edges: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
    """[K - 1] edges, 101 percentiles of numbers -> [K] shares between the edges."""
    values = np.array(percentiles)
    behind = np.searchsorted(values, edges, side="right")  # the first percentile above the edge
    low, high = np.clip(behind - 1, 0, 100), np.clip(behind, 0, 100)
    width = values[high] - values[low]
    part = np.divide(edges - values[low], width, out=np.zeros(len(edges)), where=width > 0)
    below = np.where(behind == 0, 0.0, np.where(behind == 101, 1.0, (low + part) / 100))
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def _bin_names(edges: np.ndarray) -> list[str]:
    texts = [short(edge) for edge in edges.tolist()]
    between = [f"{low} … {high}" for low, high in pairwise(texts)]
    return [f"≤ {texts[0]}", *between, f"> {texts[-1]}"]


def category_shares(
    expected: Mapping[str, float], statistics: Statistics, present: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, shares in the contract, shares in the data; the last one is that of all others, where there are any."""
    counts = {one["value"]: one["count"] for one in statistics["top_values"]}
    shares, found = list(expected.values()), [counts.get(name, 0) / present for name in expected]
    others, found_others = 1 - sum(shares), 1 - sum(found)
    # What rounding leaves is no category.
    others, found_others = others if others > _ROUNDING else 0.0, found_others if found_others > 1e-9 else 0.0
    if not others and not found_others:
        return list(expected), np.array(shares), np.array(found)
    return [*expected, OTHERS], np.array([*shares, others]), np.array([*found, found_others])


def _smooth(shares: np.ndarray, rows: float) -> np.ndarray:
    """[K] with half a row more in each bin, so that none is empty."""
    return (shares * rows + 0.5) / (rows + 0.5 * len(shares))


def _chance(bins: int, first_rows: float, second_rows: float) -> float:
    """Quantile of the index where nothing has changed: (1/n + 1/m) chi2 of K - 1 degrees (Yurdakul 2018)."""
    degrees = max(bins - 1, 1)
    # Wilson and Hilferty's approximation.
    quantile = degrees * (1 - 2 / (9 * degrees) + _CHANCE_Z * math.sqrt(2 / (9 * degrees))) ** 3
    return (1 / first_rows + 1 / second_rows) * quantile
