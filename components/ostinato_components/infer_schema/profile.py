"""The data at a glance: one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.report.page import bars, count, percent, plural, render, short
from ostinato.schema import ColumnSchema, Schema
from ostinato_components.infer_schema.findings import Finding
from ostinato_components.infer_schema.pairs import Pairs

MOST_CARDS = 150
_MOST_ROWS = 2500
_MOST_FINDINGS = 60
_TOP = 6
_MOST_EXPLAINED = 15
_MOST_IN_MATRIX = 16
_LONGEST = 80


@dataclass(frozen=True)
class Found:
    """All that is known of the data."""

    schema: Schema
    summaries: Mapping[str, Mapping[str, Any]]
    findings: Sequence[Finding]
    explained: Mapping[str, Mapping[str, float]]
    examples: Mapping[str, Sequence[str]]
    pairs: Pairs


def profile(found: Found) -> str:
    """The page. Of very wide tables it shows the first columns only, targets and inputs before the rest."""
    schema = found.schema
    order = {"output": 0, "input": 1, "unused": 2, "split": 3}
    columns = sorted(schema.columns, key=lambda column: order[column.role])
    targets = [column for column in columns if column.role == "output"]
    others = [column for column in columns if column.role != "output"]
    places = {column.name: f"target-{number}" for number, column in enumerate(targets)}
    places |= {column.name: f"column-{number}" for number, column in enumerate(others[:MOST_CARDS])}
    warned = Counter(finding.column for finding in found.findings if finding.level != "note")
    return render(
        "ostinato_components.infer_schema",
        "profile.html.j2",
        schema=schema,
        name=schema.source.rstrip("/").rpartition("/")[2] or schema.source,
        tiles=_tiles(found),
        findings=found.findings[:_MOST_FINDINGS],
        more_findings=max(0, len(found.findings) - _MOST_FINDINGS),
        targets=[_target(found, column, places[column.name]) for column in targets],
        table=[
            {
                "column": column,
                "card": places.get(column.name),
                "missing": _missing(found, column),
                "range": _range(found, column),
                "warned": warned[column.name],
            }
            for column in columns[:_MOST_ROWS]
        ],
        cards=[_card(found, column, places[column.name]) for column in others[:MOST_CARDS]],
        more_cards=max(0, len(others) - MOST_CARDS),
        matrix=_matrix(found, columns),
    )


def _tiles(found: Found) -> list[tuple[str, str, str]]:
    """Name, figure, remark."""
    columns, rows = found.schema.columns, found.schema.rows
    missing = sum(summary["missing"] for summary in found.summaries.values())
    cells = max(1, rows * len(columns))
    types = Counter(column.type for column in columns if column.role != "output")
    kinds = ", ".join(f"{number} {name}" for name, number in types.most_common(4))
    roles = Counter(column.role for column in columns)
    used = f"{roles['input']} inputs, {roles['output']} to predict" if roles["input"] else kinds
    serious = sum(finding.level != "note" for finding in found.findings)
    return [
        ("Rows", count(rows), ""),
        ("Columns", count(len(columns)), used),
        ("Types", count(len(types)), kinds),
        ("Missing cells", percent(missing / cells), f"{missing:,} of {cells:,}"),
        ("Warnings", count(serious), plural(len(found.findings) - serious, "note")),
    ]


def _target(found: Found, column: ColumnSchema, place: str) -> dict[str, Any]:
    shares = sorted(found.explained.get(column.name, {}).items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "card": _card(found, column, place),
        "explained": [(name, percent(share), f"{share:.3f}") for name, share in shares[:_MOST_EXPLAINED]],
        "more": max(0, len(shares) - _MOST_EXPLAINED),
    }


def _card(found: Found, column: ColumnSchema, place: str) -> dict[str, Any]:
    summary = found.summaries[column.name]
    numbers = summary.get("number")
    if column.type != "number":
        numbers = None
    facts = [
        ("missing", _missing(found, column)),
        ("distinct", ("" if column.distinct_is_exact else "≈ ") + count(column.distinct)),
    ]
    if numbers is not None:
        quantiles = numbers["quantiles"]
        facts += [
            ("mean", short(numbers["mean"])),
            ("std", short(numbers["std"])),
            ("5%", short(quantiles["0.05"])),
            ("95%", short(quantiles["0.95"])),
            ("median", short(quantiles["0.5"])),
            ("maximum", short(numbers["maximum"])),
        ]
    elif column.type == "text" and "text" in summary:
        facts += [
            ("mean words", short(summary["text"]["mean_words"])),
            ("mean length", short(summary["text"]["mean_characters"])),
            ("longest", count(summary["text"]["longest"])),
        ]
    return {
        "column": column,
        "number": place,
        "facts": facts,
        "histogram": _histogram(numbers["histogram"], numbers) if numbers is not None else None,
        "top": [] if numbers is not None else _top(summary),
        "examples": [_cut(text) for text in found.examples[column.name][:4]],
        "findings": [finding for finding in found.findings if finding.column == column.name],
    }


def _histogram(histogram: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    edges = histogram["edges"]
    beyond = histogram["below"] + histogram["above"]
    steps = numbers["minimum"] - edges[0] == 0.5  # whole numbers: a bar for each
    return {
        "shape": bars(histogram["counts"]),
        "low": short(numbers["minimum"] if steps else edges[0]),
        "high": short(edges[-1] - 0.5 if steps else edges[-1]),
        "beyond": f"{beyond:,} beyond: from {short(numbers['minimum'])} to {short(numbers['maximum'])}"
        if beyond
        else "",
    }


def _top(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The most frequent values with their shares, then the rest."""
    values = summary["top_values"]
    present = max(1, summary["rows"] - summary["missing"])
    if not values or values[0]["count"] <= 1:
        return []
    shown = values if len(values) <= _TOP + 1 else values[:_TOP]
    most = values[0]["count"]
    rows = [_bar(_cut(one["value"]), one["count"], present, most) for one in shown]
    rest = present - sum(one["count"] for one in shown)
    others = summary["distinct"] - len(shown)
    if others > 0 and rest > 0:
        rows.append(_bar(f"{others:,} others", rest, present, most) | {"is_rest": True})
    return rows


def _bar(name: str, number: int, present: int, most: int) -> dict[str, Any]:
    width = min(100.0, 100 * number / most)
    return {
        "name": name,
        "count": number,
        "share": percent(number / present),
        "width": f"{width:.1f}",
        "is_rest": False,
    }


def _missing(found: Found, column: ColumnSchema) -> str:
    summary = found.summaries[column.name]
    return percent(summary["missing"] / summary["rows"]) if summary["missing"] else "0"


def _range(found: Found, column: ColumnSchema) -> str:
    """Bounds of numbers, the most frequent value of others."""
    summary = found.summaries[column.name]
    if column.type == "number" and "number" in summary:
        return f"{short(summary['number']['minimum'])} … {short(summary['number']['maximum'])}"
    values = summary["top_values"]
    if not values or values[0]["count"] == 1:
        return _cut(", ".join(found.examples[column.name][:2]), 48)
    share = values[0]["count"] / max(1, summary["rows"] - summary["missing"])
    return f"{_cut(values[0]['value'], 40)} ({percent(share)})"


def _matrix(found: Found, columns: Sequence[ColumnSchema]) -> dict[str, Any] | None:
    """Correlations of numbers; those of a table with few."""
    names = [
        column.name
        for column in columns
        if column.type == "number" and column.name in found.pairs.numbers and column.distinct > 2
    ][:_MOST_IN_MATRIX]
    if len(names) < 3 or not found.pairs.rows:
        return None
    values = found.pairs.correlations(names)
    rows = [
        {"name": name, "cells": [(f"{value:.2f}", f"{abs(value):.2f}", value < 0) for value in row[: number + 1]]}
        for number, (name, row) in enumerate(zip(names, values.tolist(), strict=True))
    ]
    return {"names": names, "rows": rows}


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
