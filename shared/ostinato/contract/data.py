"""Contract and statistics, as the step infer_schema writes them: one made of the other, one compared with the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ostinato.contract.drift import Drift, Statistics, category_shares, drift, shares_between
from ostinato.contract.spec import Bins, ChecksSpec, ColumnContract, Contract, LimitsSpec, Values
from ostinato.errors import did_you_mean
from ostinato.report.page import percent, short

MOST_CATEGORIES = 50
_FEW_OTHERS = 0.01
_LEAST_LISTED = 0.2
"""Share of the values that the categories of a contract must stand for: else they are names of rows."""
_DECILES = range(10, 100, 10)


@dataclass(frozen=True)
class Finding:
    """One thing that is otherwise than the contract says."""

    check: str
    """Name of the check."""
    severity: Literal["error", "warning"]
    column: str
    """Empty where it is about all of them."""
    text: str


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
    shares = shares_between(np.array(edges), percentiles)
    return Bins(edges=tuple(edges), shares=tuple(round(share, 5) for share in shares.tolist()))


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
    names, shares, found = category_shares(expected, statistics, present)
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
