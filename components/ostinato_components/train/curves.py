"""Learning curves as one HTML file of plain SVG: no script, nothing loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from ostinato.metrics.spec import UNKNOWN_TARGETS
from ostinato.report import page

if TYPE_CHECKING:
    from ostinato_components.train.step import TrainResult

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34
_MOST_POINTS = 400

Series = Sequence[float | None]


def learning_curves(result: TrainResult, steps: Sequence[int]) -> str:
    """The page: a chart for each metric of each output, the best evaluation marked."""
    training, validation = result.history["training"], result.history["validation"]
    outputs = list(dict.fromkeys([*validation, *training]))
    # With one output the sum of all losses is its loss.
    outputs = [name for name in outputs if name != "combined"] if len(outputs) == 2 else outputs
    return page.render(
        "ostinato_components.train",
        "curves.html.j2",
        summary=_summary(result),
        pace=pace(result),
        warnings=result.warnings,
        outputs=[
            (output, list(_charts(training.get(output, {}), validation.get(output, {}), steps, result.best_step)))
            for output in outputs
        ],
    )


def _charts(
    training: Mapping[str, Series], validation: Mapping[str, Series], steps: Sequence[int], best_step: int
) -> Iterator[tuple[str, Markup]]:
    """Name and drawing of each metric of an output, the loss first."""
    own = {"training": training, "validation": validation}
    names = [name for name in dict.fromkeys([*validation, *training]) if name != UNKNOWN_TARGETS]
    for name in sorted(names, key=lambda name: name != "loss"):
        series = {split: metrics[name] for split, metrics in own.items() if name in metrics}
        yield name, Markup(_chart(steps, series, best_step))  # noqa: S704  # numbers only


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

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">']
    for tick in _ticks(low, high):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    for tick in (tick for tick in _ticks(0, last) if tick == int(tick)):
        parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{tick:,.0f}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">step</text>')
    if best_step:
        at = f'x1="{x(best_step):.1f}" x2="{x(best_step):.1f}"'
        parts.append(f'<line {at} y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="best"/>')
    for split, points in series.items():
        known = [(step, value) for step, value in zip(steps, points, strict=True) if value is not None]
        thinned = known[:: math.ceil(len(known) / _MOST_POINTS)] if known else []
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in thinned)
        parts.append(f'<polyline points="{path}" class="{split}"/>')
        parts += [
            f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="3" class="{split}"/>'
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
