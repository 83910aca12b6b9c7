"""Charts as SVG text: no script, no fonts, colours by the CSS variables of the page, so that they follow its theme.

`matplotlib` is not used: its SVG fixes the colours, and ten small charts take it seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup, escape

from ostinato.report.page import percent, short

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
MAX_MARKS = 1500
"""Points of a scatter plot; more make the file large and the plot a blot."""


@dataclass(frozen=True)
class Series:
    """Points of one colour."""

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    kind: Literal["line", "points", "both"] = "line"
    tone: int = 1
    """Number of the colour, 1 to 3."""
    sizes: np.ndarray | None = None
    """Radius of each point; None for small ones."""


@dataclass(frozen=True)
class Axis:
    """What an axis says."""

    label: str
    low: float | None = None
    high: float | None = None
    percent: bool = False


class _Scale:
    """Data -> pixels."""

    def __init__(self, axis: Axis, values: np.ndarray, start: float, stop: float) -> None:
        finite = values[np.isfinite(values)]
        low = axis.low if axis.low is not None else float(finite.min(initial=math.inf))
        high = axis.high if axis.high is not None else float(finite.max(initial=-math.inf))
        if not low < high:
            low, high = (low - 0.5, low + 0.5) if math.isfinite(low) else (0.0, 1.0)
        self.low, self.high, self.start, self.stop = low, high, start, stop
        self.axis = axis

    def __call__(self, values: np.ndarray | float) -> np.ndarray:
        share = (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Position and text of each tick."""
        found = ticks(self.low, self.high)
        return [(float(self(value)), percent(value) if self.axis.percent else short(value)) for value in found]


def plot(series: Sequence[Series], x: Axis, y: Axis, *, diagonal: bool = False, zero: bool = False) -> Markup:
    """Lines and points. `diagonal` draws where x is y, `zero` where y is 0."""
    across = _Scale(x, np.concatenate([one.x for one in series]), LEFT, WIDTH - RIGHT)
    up = _Scale(y, np.concatenate([one.y for one in series]), HEIGHT - BOTTOM, TOP)
    marks = [_frame(across, up)]
    if diagonal:
        low, high = max(across.low, up.low), min(across.high, up.high)
        marks.append(_line(across(low), up(low), across(high), up(high), "guide"))
    if zero and up.low < 0 < up.high:
        marks.append(_line(LEFT, up(0), WIDTH - RIGHT, up(0), "guide"))
    for one in series:
        fine = np.isfinite(one.x) & np.isfinite(one.y)
        px, py = across(one.x[fine]), up(one.y[fine])
        if one.kind != "points" and len(px) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
            marks.append(f'<polyline class="line tone{one.tone}" points="{path}"/>')
        if one.kind != "line" or len(px) == 1:
            sizes = one.sizes[fine] if one.sizes is not None else np.full(len(px), 1.8 if one.kind == "points" else 3)
            dots = "".join(
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{size:.1f}"/>' for a, b, size in zip(px, py, sizes, strict=True)
            )
            solid = "dots" if len(px) <= 60 else "dots faint"
            marks.append(f'<g class="{solid} tone{one.tone}">{dots}</g>')
    return _svg(marks, [(one.label, one.tone) for one in series if one.label])


def histogram(values: Sequence[tuple[str, np.ndarray]], x: Axis, *, num_bins: int = 30) -> Markup:
    """Share of the rows in each bin, for one to three sets of values over the same bins."""
    together = np.concatenate([column[np.isfinite(column)] for _, column in values])
    scale = _Scale(x, together, LEFT, WIDTH - RIGHT)
    edges = np.linspace(scale.low, scale.high, num_bins + 1)
    shares = []
    for _, column in values:
        counts, _ = np.histogram(np.clip(column[np.isfinite(column)], scale.low, scale.high), edges)
        shares.append(counts / max(counts.sum(), 1))
    up = _Scale(Axis("share of rows", 0.0, None, percent=True), np.concatenate(shares), HEIGHT - BOTTOM, TOP)
    marks = [_frame(scale, up)]
    left, right = scale(edges[:-1]), scale(edges[1:])
    base = float(up(0))
    for number, share in enumerate(shares, 1):
        tops = up(share)
        boxes = "".join(
            f'<rect x="{a + 0.5:.1f}" y="{top:.1f}" width="{max(b - a - 1, 0.5):.1f}" height="{base - top:.1f}"/>'
            for a, b, top in zip(left, right, tops, strict=True)
            if base - top > 0.05
        )
        marks.append(f'<g class="bars tone{number}">{boxes}</g>')
    return _svg(marks, [(label, number) for number, (label, _) in enumerate(values, 1) if label])


def horizontal_bars(labels: Sequence[str], values: Sequence[float], deviations: Sequence[float]) -> Markup:
    """A bar for each label, its value beside it, a whisker of one deviation to both sides."""
    row, name_width, width = 22, 190, 640
    reach = [value + deviation for value, deviation in zip(values, deviations, strict=True)]
    low = min(0.0, *(value - deviation for value, deviation in zip(values, deviations, strict=True)))
    scale = _Scale(Axis("", low, max(0.0, *reach)), np.zeros(0), name_width, width - 76)
    marks = []
    for number, (label, value, deviation) in enumerate(zip(labels, values, deviations, strict=True)):
        top, middle = number * row + 4, number * row + 4 + 7
        start, stop = sorted((float(scale(0)), float(scale(value))))
        shown, squeezed = label, ""
        if len(label) > 22:  # letters are of any width
            shown, squeezed = (
                f"{label[:25]}…"[: len(label)],
                f' textLength="{name_width - 10}" lengthAdjust="spacingAndGlyphs"',
            )
        marks.append(
            f"<g><title>{escape(label)}: {value:.4g} ± {deviation:.2g}</title>"
            f'<text class="name" x="{name_width - 8}" y="{middle + 4}"{squeezed}>{escape(shown)}</text>'
            f'<rect class="bar tone1" x="{start:.1f}" y="{top}" width="{max(stop - start, 1):.1f}" height="14" rx="2"/>'
            f"{_line(scale(value - deviation), middle, scale(value + deviation), middle, 'whisker')}"
            f'<text class="value" x="{width - 70}" y="{middle + 4}">{escape(short(value))}</text></g>'
        )
    height = len(labels) * row + 6
    marks.append(_line(scale(0), 0, scale(0), height, "base"))
    return Markup(f'<svg class="chart wide" viewBox="0 0 {width} {height}" role="img">{"".join(marks)}</svg>')  # noqa: S704 (labels are escaped above)


def thin(*columns: np.ndarray, seed: int = 0) -> tuple[np.ndarray, ...]:
    """The same rows of each column, at most as many as a scatter plot shows."""
    num_rows = len(columns[0])
    if num_rows <= MAX_MARKS:
        return columns
    rows = np.sort(np.random.default_rng(seed).choice(num_rows, MAX_MARKS, replace=False))
    return tuple(column[rows] for column in columns)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two bounds: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(across: _Scale, up: _Scale) -> str:
    bottom = HEIGHT - BOTTOM
    parts = [
        _line(LEFT, position, WIDTH - RIGHT, position, "grid")
        + f'<text class="tick end" x="{LEFT - 6}" y="{position + 3.5:.1f}">{escape(text)}</text>'
        for position, text in up.ticks()
    ]
    parts += [
        f'<text class="tick mid" x="{position:.1f}" y="{bottom + 15}">{escape(text)}</text>'
        for position, text in across.ticks()
    ]
    parts.append(_line(LEFT, bottom, WIDTH - RIGHT, bottom, "base"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label mid" x="{middle}" y="{HEIGHT - 6}">{escape(across.axis.label)}</text>')
    turned = f"translate(10 {(TOP + bottom) / 2}) rotate(-90)"
    parts.append(f'<text class="label mid" transform="{turned}">{escape(up.axis.label)}</text>')
    return "".join(parts)


def _line(
    x1: np.ndarray | float, y1: np.ndarray | float, x2: np.ndarray | float, y2: np.ndarray | float, kind: str
) -> str:
    x1, y1, x2, y2 = float(x1), float(y1), float(x2), float(y2)
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(marks: Sequence[str], legend: Sequence[tuple[str, int]]) -> Markup:
    body = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(marks)}</svg>'
    keys = "".join(f'<span><i class="key tone{tone}"></i>{escape(label)}</span>' for label, tone in legend)
    # Everything that comes from data is escaped where it is put in.
    return Markup(body + (f'<div class="legend">{keys}</div>' if keys else ""))  # noqa: S704
