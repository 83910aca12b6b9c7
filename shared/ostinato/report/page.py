"""Reports as one HTML file each: no script, nothing from elsewhere, readable in light and in dark.

A step's template extends `page.html.j2`, which brings the style (tiles, cards, tables, warnings, charts), and is
rendered by `render`. Jinja escapes whatever comes from the data. Charts are SVG or boxes that take their colours from
the page's CSS variables, so that they follow its theme; `bars` makes the shape of a histogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup


def render(package: str, template: str, **values: Any) -> str:
    """The page of a template that lies in a package's folder."""
    import jinja2

    loaders = [jinja2.PackageLoader(package, ""), jinja2.PackageLoader("ostinato.report", "")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": short, "percent": percent, "count": count, "plural": plural}
    return environment.get_template(template).render(values)


def short(value: float | None) -> str:
    """A number in few characters: 1234567 -> 1.23M, 0.00012 -> 1.2e-4; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–" if value is None else str(value)
    size = abs(value)
    if size == 0:
        return "0"
    for factor, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if size >= factor:
            return f"{value / factor:.3g}{letter}" if size < 1e15 else f"{value:.2e}"
    if size >= 1000:  # years have no comma
        return f"{value:,.0f}" if size >= 9999.5 else f"{value:.0f}"
    if size < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value:.4g}"


def percent(share: float) -> str:
    """0.125 -> 12.5%; what is not quite nothing or all never looks so."""
    if share == 0:
        return "0%"
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}%" if share < 0.1 else f"{100 * share:.3g}%"


def count(value: int) -> str:
    """12345 -> 12,345."""
    return f"{value:,}"


def plural(number: int, word: str) -> str:
    """1, row -> 1 row; 2, row -> 2 rows."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def bars(heights: Sequence[float], width: int = 300, height: int = 72, most: float | None = None) -> Markup:
    """The bars of a histogram as the `d` of one SVG path; what is not quite nothing has half a pixel at least.

    `most` is the value as high as the picture; None for the highest bar.
    """
    most = max([*heights, 0.0]) if most is None else most
    step = width / max(len(heights), 1)
    gap = min(1.0, step / 5)
    parts = []
    for place, value in enumerate(heights):
        if value > 0:
            tall = max(0.6, value / most * height)
            parts.append(f"M{place * step:.1f} {height}v-{tall:.1f}h{step - gap:.1f}v{tall:.1f}z")
    return Markup("".join(parts))  # noqa: S704  # numbers only
