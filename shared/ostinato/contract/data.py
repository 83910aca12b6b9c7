"""Contract and statistics: one made of the other, one compared with the other. K bins or categories.

Statistics are those that the step infer_schema writes. Shares of numbers come from their 101 percentiles, so a share is
off by 0.01 at most; shares of categories are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from ostinato.contract.spec import Bins, ChecksSpec, ColumnContract, Contract, LimitsSpec, Values
from ostinato.errors import did_you_mean
from ostinato.report.page import percent, short

MOST_CATEGORIES = 50
OTHERS = "others"
"""What stands for all categories that a contract does not list."""
_FEW_OTHERS = 0.01
_ROUNDING = 5e-4
_LEAST_LISTED = 0.2
"""Share of the values that the categories of a contract must stand for: else they are names of rows."""
_DECILES = range(10, 100, 10)
_CHANCE_Z = 3.09
"""Standard deviations that chance stays below in 999 of 1,000 cases."""

Statistics = Mapping[str, Any]
"""What `statistics.json` says of the data, or of a column."""


@dataclass(frozen=True)
class Finding:
    """One thing that is otherwise than the contract says."""

    check: str
    """Name of the check."""
    severity: Literal["error", "warning"]
    column: str
    """Empty where it is about all of them."""
    text: str


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


def describe(statistics: Statistics) -> Contract:
    """The contract that data with these statistics fulfil."""
    columns = tuple(_column(name, column) for name, column in statistics["columns"].items())
    return Contract(source=statistics["source"], rows=statistics["rows"], columns=columns)


def compare(contract: Contract, statistics: Statistics, checks: ChecksSpec) -> list[Finding]:
    """Everything in which the data are not as the contract says; errors first."""
    there, known = statistics["columns"], {column.name for column in contract.columns}
    new = [name for name in there if name not in known]
    found = [*_rows(contract, statistics, checks), *_missing_columns(contract, there, new, checks)]
    if checks.new_columns != "ignore":
        text = "is not in the contract"
        found += [Finding("new_columns", checks.new_columns, name, text) for name in new]
    for column in contract.columns:
        if column.name in there:
            own = _checks_of(column, checks)
            found += _of_column(column, there[column.name], drift(contract, column, there[column.name]), own)
    return sorted(found, key=lambda finding: finding.severity)


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
        found = _shares(edges, statistics["number"]["percentiles"])
        names, expected = _bin_names(edges), np.array(column.bins.shares)
    elif column.categories is not None and statistics["top_values"]:
        names, expected, found = _categories(column.categories, statistics, present)
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


def _column(name: str, statistics: Statistics) -> ColumnContract:
    present = statistics["rows"] - statistics["missing"]
    number = statistics.get("number") if statistics["type"] == "number" else None
    return ColumnContract(
        name=name,
        role=statistics["role"],
        type=statistics["type"],
        values=_values(statistics),
        missing=_share(statistics["missing"], statistics["rows"]),
        minimum=number["minimum"] if number else None,
        maximum=number["maximum"] if number else None,
        bins=_bins(number) if number else None,
        categories=_top(statistics, present) if statistics["type"] in ("binary", "category") else None,
    )


def _values(statistics: Statistics) -> Values:
    kind, present = statistics["arrow_type"], statistics["rows"] - statistics["missing"]
    if not present:
        return "none"
    if "bool" in kind:
        return "boolean"
    if kind.startswith(("date", "time", "duration")):
        return "time"
    if "number" in statistics and statistics["number"]["no_numbers"] <= _FEW_OTHERS * present:
        return "number"
    return "text" if "string" in kind or kind.startswith("dictionary") else "other"


def _bins(number: Statistics) -> Bins | None:
    """Bins between the deciles; None where all numbers are the same."""
    percentiles, lowest, highest = number["percentiles"], number["minimum"], number["maximum"]
    if lowest == highest:
        return None
    digits = 4 - math.floor(math.log10(highest - lowest)) if math.isfinite(highest - lowest) else 0
    edges = sorted({round(percentiles[level], digits) for level in _DECILES})
    edges = [edge for edge in edges if edge < highest] or [lowest]
    shares = _shares(np.array(edges), percentiles)
    return Bins(edges=tuple(edges), shares=tuple(round(share, 5) for share in shares.tolist()))


def _shares(edges: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
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


def _is_listed(statistics: Statistics) -> bool:
    """Whether the values were counted, and are not almost all different."""
    values = statistics["top_values"]
    return bool(values) and (values[0]["count"] > 1 or statistics["distinct"] <= MOST_CATEGORIES)


def _top(statistics: Statistics, present: int) -> dict[str, float] | None:
    if not _is_listed(statistics):
        return None
    top = statistics["top_values"][:MOST_CATEGORIES]
    listed = {one["value"]: _share(one["count"], present) for one in top}
    return listed if sum(listed.values()) >= _LEAST_LISTED else None


def _share(count: int, of: int) -> float:
    return round(count / of, 5) if of else 0.0


def _categories(
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


def _checks_of(column: ColumnContract, checks: ChecksSpec) -> ChecksSpec:
    """The checks, with those that the column has of its own."""
    if column.checks is None:
        return checks
    return checks.model_copy(update={name: getattr(column.checks, name) for name in column.checks.model_fields_set})


def _rows(contract: Contract, statistics: Statistics, checks: ChecksSpec) -> Iterator[Finding]:
    fall = 1 - statistics["rows"] / contract.rows if contract.rows else 0.0
    text = f"{statistics['rows']:,} rows, {percent(max(fall, 0.0))} fewer than {contract.rows:,} in the contract"
    yield from _measured("rows", "", fall, checks.rows, text)


def _missing_columns(
    contract: Contract, there: Statistics, new: Sequence[str], checks: ChecksSpec
) -> Iterator[Finding]:
    for column in contract.columns:
        severity = _checks_of(column, checks).missing_columns
        if column.name not in there and severity != "ignore":
            near = did_you_mean(column.name, new)
            text = f"is not in the data; {near}" if near else "is not in the data"
            yield Finding("missing_columns", severity, column.name, text)


def _measured(check: str, column: str, value: float, limits: LimitsSpec, text: str) -> Iterator[Finding]:
    """The finding that a value above its limits is."""
    for severity, limit in (("error", limits.error), ("warning", limits.warning)):
        if limit is not None and value > limit:
            found: Literal["error", "warning"] = "error" if severity == "error" else "warning"
            yield Finding(check, found, column, f"{text} (at most {limit:g})")
            return


def _of_column(
    column: ColumnContract, statistics: Statistics, changed: Drift | None, checks: ChecksSpec
) -> Iterator[Finding]:
    name, found = column.name, _values(statistics)
    share = _share(statistics["missing"], statistics["rows"])
    text = f"{percent(share)} of the values are missing, in the contract {percent(column.missing)}"
    yield from _measured("missing_values", name, share - column.missing, checks.missing_values, text)
    if _is_other_type(column, found):
        if checks.type != "ignore":
            text = f"the values are {_called(found, statistics)}, in the contract {column.values}"
            yield Finding("type", checks.type, name, text)
        return
    if column.categories is not None and found != "none":
        yield from _unseen(column, column.categories, statistics, checks)
    if column.minimum is not None and column.maximum is not None and "number" in statistics:
        yield from _range(name, column.minimum, column.maximum, statistics["number"], checks)
    if changed is not None and column.role != "split":
        yield from _drifted(column, changed, checks)


def _is_other_type(column: ColumnContract, found: Values) -> bool:
    """Whether the values are of another type; a category may be a number today and a text tomorrow."""
    if "none" in (found, column.values) or found == column.values:
        return False
    simple = {"number", "text", "boolean"}
    return column.type == "number" or not {found, column.values} <= simple


def _called(found: Values, statistics: Statistics) -> str:
    number = statistics.get("number")
    if found == "text" and number is not None:
        return f"text in {number['no_numbers']:,} of {statistics['rows'] - statistics['missing']:,} rows"
    return found if found != "other" else str(statistics["arrow_type"])


def _unseen(
    column: ColumnContract, expected: Mapping[str, float], statistics: Statistics, checks: ChecksSpec
) -> Iterator[Finding]:
    """Where the contract does not list all categories: what the others have grown by, or what no other can be.

    A category that it does not list has at most the share of the last one that it lists.
    """
    present = statistics["rows"] - statistics["missing"]
    if not statistics["top_values"]:
        many = f"about {statistics['distinct']:,} different values, too many to be counted"
        text = f"{many}; the contract has {len(expected):,}"
        yield from _measured("unseen_values", column.name, math.inf, checks.unseen_values, text)
        return
    names, shares, found = _categories(expected, statistics, present)
    if len(names) == len(expected):  # no others
        return
    unseen = {one["value"]: one["count"] / present for one in statistics["top_values"] if one["value"] not in expected}
    shown = ", ".join(f"'{value[:40]}'" for value in list(unseen)[:5]) + (" …" if len(unseen) > 5 else "")
    largest = min(expected.values(), default=0.0) if shares[-1] else 0.0
    surely = sum(share - largest for share in unseen.values() if share > largest)
    share = max(surely, float(found[-1] - shares[-1]))
    text = f"{percent(share)} of the values are not in the contract: {shown}"
    yield from _measured("unseen_values", column.name, share, checks.unseen_values, text)


def _range(name: str, low: float, high: float, number: Statistics, checks: ChecksSpec) -> Iterator[Finding]:
    beyond = max(low - number["minimum"], number["maximum"] - high, 0.0)
    excess = beyond / (high - low) if high > low else math.inf if beyond else 0.0
    spread = f"{short(number['minimum'])} to {short(number['maximum'])}"
    text = f"values from {spread}, in the contract from {short(low)} to {short(high)}"
    yield from _measured("range", name, excess, checks.range, text)


def _drifted(column: ColumnContract, changed: Drift, checks: ChecksSpec) -> Iterator[Finding]:
    most = int(np.argmax(np.abs(changed.found - changed.expected)))
    before, now = percent(float(changed.expected[most])), percent(float(changed.found[most]))
    where = f"most in {changed.names[most]}, {before} before and {now} now"
    check, limits = ("label_shift", checks.label_shift) if column.role == "output" else ("psi", checks.psi)
    if changed.psi > changed.chance:
        text = f"the distribution has changed, PSI {changed.psi:.3f}; {where}"
        yield from _measured(check, column.name, changed.psi, limits, text)
    # Of small changes the divergence is an eighth of the index, in nats.
    if changed.jensen_shannon > changed.chance / (8 * math.log(2)):
        text = f"the distribution has changed, Jensen-Shannon divergence {changed.jensen_shannon:.3f} bits; {where}"
        yield from _measured("jensen_shannon", column.name, changed.jensen_shannon, checks.jensen_shannon, text)
