"""Whether a model is worth anything: its metrics beside those of predicting the same for every row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "weak", "bad"]
_LEAST_REDUCTION = 0.05
"""Share of the trivial error below which a better model is called weak."""


@dataclass(frozen=True)
class Verdict:
    """One line for the head of the report."""

    level: Level
    text: str


def error_verdict(
    metrics: Mapping[str, float], baseline: Mapping[str, float], name: str, trivial: str
) -> Verdict | None:
    """An error against that of a `trivial` prediction for every row; None where one of them is not defined."""
    error, other = metrics.get(name), baseline.get(name)
    if error is None or other is None or other == 0:
        return None
    reduction = 1 - error / other
    figures = f"{name.replace('_', ' ')} {error:,.4g}, predicting {trivial} for every row {other:,.4g}"
    if reduction <= 0:
        return Verdict("bad", f"No better than predicting {trivial} ({figures}).")
    level: Level = "good" if reduction >= _LEAST_REDUCTION else "weak"
    return Verdict(level, f"Errors are {reduction:.0%} smaller than with {trivial} ({figures}).")


def class_verdict(metrics: Mapping[str, float], baseline: Mapping[str, float], majority: str, rows: int) -> Verdict:
    """Accuracy against predicting the most frequent class; two standard errors must lie between them."""
    right, trivial = metrics.get("accuracy", 0.0), baseline.get("accuracy", 0.0)
    noise = 2 * math.sqrt((right * (1 - right) + trivial * (1 - trivial)) / max(rows, 1))
    figures = f"{right:.1%} of the rows are right, always saying '{majority}' gets {trivial:.1%}"
    area = metrics.get("roc_auc")
    # Hanley and McNeil's bound for the area's own error, half positive rows: 1 / sqrt(3 n).
    ranks = area is not None and area > 0.5 + 2 / math.sqrt(3 * max(rows, 1))
    if right > trivial + noise:
        return Verdict("good", f"Better than the most frequent class: {figures}.")
    if ranks:
        return Verdict(
            "weak",
            f"The scores carry information (ROC AUC {area:.3f}), but the decisions are hardly better than the "
            f"most frequent class: {figures}.",
        )
    if right > trivial:
        return Verdict(
            "weak", f"Better than the most frequent class, but on {rows:,} rows it may be chance: {figures}."
        )
    return Verdict("bad", f"No better than always predicting the most frequent class: {figures}.")
