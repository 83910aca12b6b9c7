"""The decision and its reasons: one HTML page."""

from __future__ import annotations

from typing import Any

from ostinato.metrics.spec import objective
from ostinato.report.page import count, render
from ostinato_components.gate.decision import Comparison, Decision

_TITLES = {"accepted": "Accepted", "refused": "Refused", "forced": "Forced"}
_WIDTH = 200


def render_report(decision: Decision) -> str:
    """The page."""
    return render(
        "ostinato_components.gate",
        "report.html.j2",
        decision=decision,
        title=_TITLES[decision.verdict],
        tiles=[
            ("Test rows", count(decision.rows), ""),
            ("Conditions", count(len(decision.comparisons)), _holding(decision)),
            ("Slices", count(len(decision.slices)), ""),
        ],
        comparisons=[_row(one) for one in decision.comparisons],
        slices=[
            {
                "name": f"{one.column} = {one.value}",
                "rows": count(one.rows),
                "comparisons": list(map(_row, one.comparisons)),
            }
            for one in decision.slices
        ],
    )


def _holding(decision: Decision) -> str:
    failing = sum(bool(one.failures) for one in decision.comparisons)
    return f"not holding: {failing}" if failing else "all hold"


def _row(found: Comparison) -> dict[str, Any]:
    return {
        "name": f"{found.output}.{found.metric}",
        "better": "higher" if objective(found.metric) == "maximize" else "lower",
        "challenger": _figure(found.challenger),
        "champion": _figure(found.champion),
        "improvement": "" if found.improvement is None else f"{found.improvement:+.4g}",
        "failures": found.failures,
        "interval": _interval(found),
    }


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _interval(found: Comparison) -> dict[str, str] | None:
    """Where the interval lies in a picture whose middle is no difference."""
    if found.interval is None or found.improvement is None:
        return None
    low, high = found.interval.low, found.interval.high
    widest = max(abs(low), abs(high), abs(found.improvement)) or 1.0

    def place(value: float) -> str:
        return f"{_WIDTH / 2 * (1 + 0.95 * value / widest):.1f}"

    return {
        "low": place(low),
        "high": place(high),
        "middle": place(found.improvement),
        "zero": place(0.0),
        "text": f"{low:+.4g} … {high:+.4g}",
    }
