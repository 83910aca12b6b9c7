"""Learning curves as one HTML file of plain SVG: no script, nothing loaded."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ostinato.metrics.spec import UNKNOWN_TARGETS

if TYPE_CHECKING:
    from ostinato_components.train.step import TrainResult

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34
_COLORS = {"training": "#8a8f98", "validation": "#2563eb"}
_MOST_POINTS = 400
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1f2328; }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
figure { display: inline-block; margin: 0 1rem 1rem 0 } figcaption { font-weight: 600 }
svg text { font: 11px system-ui, sans-serif; fill: #57606a } .warning { background: #fff4ce; padding: .5rem .8rem }
.key { color: #57606a } .training { color: #8a8f98 } .validation { color: #2563eb }
"""

Series = Sequence[float | None]


def learning_curves(result: TrainResult, steps: Sequence[int]) -> str:
    """The page: a chart for each metric of each output, the best evaluation marked."""
    training, validation = result.history["training"], result.history["validation"]
    outputs = list(dict.fromkeys([*validation, *training]))
    # With one output the sum of all losses is its loss.
    outputs = [name for name in outputs if name != "combined"] if len(outputs) == 2 else outputs
    parts = [f"<h1>Learning curves</h1><p>{html.escape(_summary(result))}</p><p>{html.escape(pace(result))}</p>"]
    parts += [f'<p class="warning">{html.escape(warning)}</p>' for warning in result.warnings]
    parts.append(
        '<p class="key"><b class="training">training</b> · <b class="validation">validation</b> · the dotted line is '
        "the model that was kept</p>"
    )
    for output in outputs:
        parts.append(f"<h2>{html.escape(output)}</h2>")
        own = {"training": training.get(output, {}), "validation": validation.get(output, {})}
        names = [name for name in dict.fromkeys([*own["validation"], *own["training"]]) if name != UNKNOWN_TARGETS]
        for name in sorted(names, key=lambda name: name != "loss"):
            series = {split: metrics[name] for split, metrics in own.items() if name in metrics}
            parts.append(f"<figure>{_chart(steps, series, result.best_step)}")
            parts.append(f"<figcaption>{html.escape(name)}</figcaption></figure>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Learning curves</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>"
    )


def _summary(result: TrainResult) -> str:
    ends = {
        "early_stop": "no improvement for too long",
        "epochs": "all epochs done",
        "train_steps": "all steps done",
        "interrupted": "interrupted",
    }
    best = "" if result.best_value is None else f" Best {result.metric}: {result.best_value:.4g}"
    at = f" at epoch {result.best_epoch:g} (step {result.best_step})." if best else ""
    return (
        f"{result.epochs} epochs, {result.steps} steps of {result.batch_size} rows in {result.training_s:.1f} s; "
        f"{result.num_parameters:,} parameters; ended: {ends.get(result.stopped, result.stopped)}.{best}{at}"
    )


def pace(result: TrainResult) -> str:
    """How fast it went, how long it waited for data, and how much memory it took, in one line."""
    several = f" on {result.num_processes} processes" if result.num_processes > 1 else ""
    return (
        f"{result.rows_per_s:,.0f} rows/s{several}, {result.data_wait_share:.0%} of the time waiting for data; "
        f"peak memory {result.peak_memory_bytes / 1e6:,.0f} MB."
    )


def _chart(steps: Sequence[int], series: dict[str, Series], best_step: int) -> str:
    values = [value for points in series.values() for value in points if value is not None]
    if not values:
        return "<svg></svg>"
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high, last = low - margin, high + margin, max(steps)

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / last

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    parts = [f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">']
    for tick in _ticks(low, high):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e5e7eb"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    for tick in (tick for tick in _ticks(0, last) if tick == int(tick)):
        parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{tick:,.0f}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">step</text>')
    if best_step:
        at = f'x1="{x(best_step):.1f}" x2="{x(best_step):.1f}"'
        parts.append(f'<line {at} y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="#1f2328" stroke-dasharray="2 3"/>')
    for split, points in series.items():
        known = [(step, value) for step, value in zip(steps, points, strict=True) if value is not None]
        thinned = known[:: math.ceil(len(known) / _MOST_POINTS)] if known else []
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in thinned)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_COLORS[split]}" stroke-width="1.8"/>')
        parts += [
            f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="3" fill="{_COLORS[split]}"/>'
            for step, value in thinned
            if len(thinned) < 3
        ]
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> list[float]:
    """About four round numbers between the bounds."""
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    width = min((factor * power for factor in (1, 2, 5, 10)), key=lambda candidate: abs(candidate - rough))
    first = math.ceil(low / width)
    return [round(index * width, 12) for index in range(first, math.floor(high / width) + 1)]
