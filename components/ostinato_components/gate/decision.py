"""Whether a model may take the place of another: conditions, slices, and the reasons for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ostinato.errors import GateError, Problem
from ostinato.gate.spec import GateConditionSpec, GateSpec
from ostinato.metrics.spec import METRICS, objective
from ostinato_components.gate.bootstrap import Interval, intervals
from ostinato_components.gate.scoring import Scored, ScoredRows

MOST_SLICES = 50
"""Values of a column that are judged; of more, the most frequent ones."""
MOST_PROBLEMS = 30
_SEED = 42

Verdict = Literal["accepted", "refused", "forced"]


@dataclass(frozen=True)
class Comparison:
    """A metric of both models on the same rows."""

    output: str
    metric: str
    challenger: float | None
    """None where it is not defined on these rows."""
    champion: float | None = None
    """None also where there is no champion."""
    interval: Interval | None = None
    """Of the improvement; None where there is no champion, or it is not defined."""
    failures: tuple[str, ...] = ()
    """Why the condition does not hold; none where it does."""

    @property
    def improvement(self) -> float | None:
        """By how much the new model is better, whichever way is better."""
        if self.challenger is None or self.champion is None:
            return None
        sign = 1 if objective(self.metric) == "maximize" else -1
        return sign * (self.challenger - self.champion)


@dataclass(frozen=True)
class Slice:
    """The comparisons of the rows with one value of a column."""

    column: str
    value: str
    rows: int
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Decision:
    """What was decided, and why."""

    verdict: Verdict
    rows: int
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[Slice, ...] = ()
    reasons: tuple[str, ...] = ()
    """For people; of a refusal, all that speaks against the model."""
    notes: tuple[str, ...] = ()
    """What else one should know."""
    challenger: Mapping[str, str] = field(default_factory=dict)
    """What the new model is."""
    champion: Mapping[str, str] = field(default_factory=dict)
    """What the model in use is; empty where there is none."""
    promoted: str = ""
    """Where the new champion lies; empty where the model in use stays."""

    @property
    def refusal(self) -> GateError | None:
        """The error of a refused model."""
        if self.verdict != "refused":
            return None
        problems = [Problem("gate", reason) for reason in self.reasons[:MOST_PROBLEMS]]
        if len(self.reasons) > MOST_PROBLEMS:
            problems.append(Problem("", f"and {len(self.reasons) - MOST_PROBLEMS} more; the report has all"))
        return GateError(problems)

    def figures(self) -> dict[str, float]:
        """What can be compared between runs, finite."""
        named = {
            f"{kind}.{one.output}.{one.metric}": value
            for one in self.comparisons
            for kind, value in (
                ("challenger", one.challenger),
                ("champion", one.champion),
                ("improvement", one.improvement),
            )
            if value is not None
        }
        return {"accepted": float(self.verdict != "refused"), **named}


def decide(spec: GateSpec, rows: ScoredRows, obstacles: Sequence[str] = (), notes: Sequence[str] = ()) -> Decision:
    """The decision on the first model; the second one, where there is one, is the champion.

    Args:
        spec: what is asked for.
        rows: the scores of one or two models.
        obstacles: why it must be refused whatever its metrics are.
        notes: what one should know of the comparison.
    """
    measured = _compared(spec, rows, np.arange(rows.count), spec.confidence)
    comparisons = tuple(
        replace(found, failures=tuple(_failures(condition, found, _has_champion(condition, rows))))
        for condition, found in zip(spec.conditions, measured, strict=True)
    )
    slices, more = _slices(spec, rows)
    reasons = [*obstacles, *(failure for one in comparisons for failure in one.failures)]
    reasons += [
        f"{one.column} '{one.value[:60]}' ({one.rows:,} rows): {failure}"
        for one in slices
        for comparison in one.comparisons
        for failure in comparison.failures
    ]
    verdict: Verdict = "accepted" if not reasons else "forced" if spec.force else "refused"
    reasons = reasons or [_reason(one) for one in comparisons]
    return Decision(verdict, rows.count, comparisons, slices, tuple(reasons), (*notes, *more))


def output_of(condition: GateConditionSpec, rows: ScoredRows) -> str:
    """The output that a condition speaks of: the first one that has the metric, where it names none."""
    if condition.output is not None:
        return condition.output
    return next(name for name, scored in rows.models[0].items() if condition.metric in METRICS[scored.spec.type])


def _has_champion(condition: GateConditionSpec, rows: ScoredRows) -> bool:
    return len(rows.models) > 1 and condition.improvement is not None


def _compared(spec: GateSpec, rows: ScoredRows, chosen: np.ndarray, confidence: float) -> list[Comparison]:
    """The metric of each condition on some rows, not judged yet."""
    asked: dict[str, list[str]] = {}
    for condition in spec.conditions:
        asked.setdefault(output_of(condition, rows), []).append(condition.metric)
    values = {output: [model[output].metrics(chosen) for model in rows.models] for output in asked}
    bounds: dict[tuple[str, str], Interval | None] = {}
    for output, metrics in asked.items():
        defined = [name for name in metrics if all(name in found for found in values[output])]
        if len(rows.models) > 1 and defined:
            pair = _Pair(rows.models[0][output], rows.models[1][output], defined)
            drawn = intervals(pair, chosen, confidence=confidence, resamples=spec.resamples, seed=_SEED)
            bounds |= {(output, name): interval for name, interval in zip(defined, drawn, strict=True)}
    comparisons = []
    for condition in spec.conditions:
        output, metric = output_of(condition, rows), condition.metric
        own, *others = (found.get(metric) for found in values[output])
        if _has_champion(condition, rows):
            comparisons.append(Comparison(output, metric, own, others[0], bounds.get((output, metric))))
        else:
            comparisons.append(Comparison(output, metric, own))
    return comparisons


@dataclass(frozen=True)
class _Pair:
    """By how much one model is better than another on some rows, metric by metric."""

    challenger: Scored
    champion: Scored
    metrics: Sequence[str]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        own, other = self.challenger.metrics(rows), self.champion.metrics(rows)
        gained = [own.get(name, math.nan) - other.get(name, math.nan) for name in self.metrics]
        return np.where([objective(name) == "maximize" for name in self.metrics], gained, np.negative(gained))


def _failures(condition: GateConditionSpec, found: Comparison, has_champion: bool) -> Iterator[str]:
    what, value = f"{found.output}.{found.metric}", found.challenger
    if value is None:
        yield f"{what} is not defined on the test rows"
        return
    if condition.minimum is not None and value < condition.minimum:
        yield f"{what} is {value:.4g}, at least {condition.minimum:g} is asked for"
    if condition.maximum is not None and value > condition.maximum:
        yield f"{what} is {value:.4g}, at most {condition.maximum:g} is asked for"
    if not has_champion or condition.improvement is None:
        return
    if found.improvement is None:
        yield f"{what} is not defined for the champion on the test rows"
    elif found.improvement < condition.improvement:
        yield f"{_better(found)}; at least {condition.improvement:g} is asked for"
    elif condition.significant and (found.interval is None or found.interval.low < condition.improvement):
        yield f"{_better(found)}; all of the interval must be at least {condition.improvement:g}"


def _better(found: Comparison) -> str:
    assert found.improvement is not None, "both are defined"
    word = "worse" if found.improvement < 0 else "better"
    interval = f", from {found.interval.low:+.4g} to {found.interval.high:+.4g}" if found.interval else ""
    values = f"{found.challenger:.4g}, the champion's {found.champion:.4g}"
    return f"{found.output}.{found.metric} is {values}: {word} by {abs(found.improvement):.4g}{interval}"


def _reason(found: Comparison) -> str:
    """What speaks for the model."""
    if found.improvement is None:
        return f"{found.output}.{found.metric} is {found.challenger:.4g}"
    return _better(found)


def _slices(spec: GateSpec, rows: ScoredRows) -> tuple[tuple[Slice, ...], list[str]]:
    """Every slice that is large enough, and what was left out."""
    chosen: list[tuple[str, str, np.ndarray]] = []
    notes = []
    for column, texts in rows.slices.items():
        values, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
        order = [place for place in np.argsort(-counts, kind="stable").tolist() if counts[place] >= spec.slice_rows]
        chosen += [(column, str(values[place]), np.flatnonzero(codes == place)) for place in order[:MOST_SLICES]]
        left_out = len(values) - len(order[:MOST_SLICES])
        if left_out:
            notes.append(f"{column}: {left_out:,} of {len(values):,} values are not judged, they have too few rows")
    # With many slices, one is bad by chance: the level is shared out (Bonferroni).
    confidence = 1 - (1 - spec.confidence) / max(1, len(chosen))
    slices = []
    for column, value, places in chosen:
        comparisons = []
        for found in _compared(spec, rows, places, confidence):
            is_worse = found.interval is not None and found.interval.high < -spec.slice_tolerance
            failures = (f"{_better(found)}: surely worse",) if is_worse else ()
            comparisons.append(replace(found, failures=failures))
        slices.append(Slice(column, value, len(places), tuple(comparisons)))
    return tuple(slices), notes
