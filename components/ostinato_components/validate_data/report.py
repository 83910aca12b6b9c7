"""Contract and data side by side: one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ostinato.contract.data import Finding
from ostinato.contract.drift import Drift, drift
from ostinato.contract.spec import ColumnContract, Contract
from ostinato.report.page import bars, count, percent, render, short

MOST_CARDS = 150
_MOST_FINDINGS = 500
_MOST_BARS = 12
_LONGEST = 60
_ORDER = {"error": 0, "warning": 1, "": 2}


def render_report(contract: Contract, statistics: Mapping[str, Any], findings: Sequence[Finding], name: str) -> str:
    """The page; columns with findings first, of very wide tables only the first ones."""
    worst: dict[str, str] = {}
    for finding in findings:  # errors first
        worst.setdefault(finding.column, finding.severity)
    there = [column for column in contract.columns if column.name in statistics["columns"]]
    columns = sorted(there, key=lambda column: _ORDER[worst.get(column.name, "")])
    drifts = {column.name: drift(contract, column, statistics["columns"][column.name]) for column in columns}
    cards = [
        _card(column, statistics["columns"][column.name], drifts[column.name], findings)
        for column in columns[:MOST_CARDS]
    ]
    return render(
        "ostinato_components.validate_data",
        "report.html.j2",
        source=statistics["source"],
        contract=name,
        accepted_source=contract.source,
        errors=sum(finding.severity == "error" for finding in findings),
        tiles=_tiles(contract, statistics, findings),
        findings=findings[:_MOST_FINDINGS],
        more_findings=max(0, len(findings) - _MOST_FINDINGS),
        cards=cards,
        more_cards=max(0, len(columns) - MOST_CARDS),
    )


def _tiles(
    contract: Contract, statistics: Mapping[str, Any], findings: Sequence[Finding]
) -> list[tuple[str, str, str]]:
    """Name, figure, remark."""
    severities = Counter(finding.severity for finding in findings)
    return [
        ("Rows", count(statistics["rows"]), f"{contract.rows:,} in the contract"),
        ("Columns", count(len(statistics["columns"])), f"{len(contract.columns):,} in the contract"),
        ("Errors", count(severities["error"]), ""),
        ("Warnings", count(severities["warning"]), ""),
    ]


def _card(
    column: ColumnContract, statistics: Mapping[str, Any], changed: Drift | None, findings: Sequence[Finding]
) -> dict[str, Any]:
    missing = statistics["missing"] / max(1, statistics["rows"])
    facts = [("missing", percent(column.missing), percent(missing))]
    number = statistics.get("number")
    if column.minimum is not None and column.maximum is not None and number is not None:
        facts.append(("minimum", short(column.minimum), short(number["minimum"])))
        facts.append(("maximum", short(column.maximum), short(number["maximum"])))
    return {
        "column": column,
        "facts": facts,
        "findings": [finding for finding in findings if finding.column == column.name],
        "histogram": _histogram(changed) if changed is not None and column.bins is not None else None,
        "categories": _categories(changed) if changed is not None and column.bins is None else [],
        "figures": f"PSI {changed.psi:.3f}, by chance up to {changed.chance:.3f} · "
        f"Jensen-Shannon {changed.jensen_shannon:.3f} bits"
        if changed is not None
        else "",
    }


def _histogram(changed: Drift) -> dict[str, Any]:
    """Pairs of bars: the contract's share and today's."""
    most = float(max(changed.expected.max(), changed.found.max()))
    nothing = np.zeros(len(changed.names))
    pairs = {"expected": (changed.expected, nothing, nothing), "found": (nothing, changed.found, nothing)}
    shapes = {name: bars(np.stack(columns, axis=1).ravel().tolist(), most=most) for name, columns in pairs.items()}
    return {**shapes, "low": changed.names[0], "high": changed.names[-1]}


def _categories(changed: Drift) -> list[dict[str, str]]:
    """The categories with the largest shares, today's or the contract's."""
    size = np.maximum(changed.expected, changed.found)
    most = float(size.max())
    order = np.argsort(-size, kind="stable")[:_MOST_BARS].tolist()
    return [
        {
            "name": _cut(changed.names[place]),
            "expected": percent(float(changed.expected[place])),
            "found": percent(float(changed.found[place])),
            "expected_width": f"{100 * changed.expected[place] / most:.1f}",
            "found_width": f"{100 * changed.found[place] / most:.1f}",
        }
        for place in order
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
