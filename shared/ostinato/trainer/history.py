"""The course of training, in the shape of Ludwig's `training_statistics.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Metrics = dict[str, dict[str, float]]
"""Output feature or `combined` -> metric -> value."""
Course = dict[str, dict[str, list[float | None]]]
"""Output feature or `combined` -> metric -> its value at each evaluation; null where it was not defined."""


@dataclass
class History:
    """Metrics at each evaluation. All lists are equally long."""

    training: Course = field(default_factory=dict)
    validation: Course = field(default_factory=dict)
    learning_rates: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def append(self, step: int, learning_rate: float, training: Metrics, validation: Metrics) -> None:
        """One evaluation."""
        _append(self.training, training, len(self.steps))
        _append(self.validation, validation, len(self.steps))
        self.steps.append(step)
        self.learning_rates.append(learning_rate)

    def to_json(self, frequency: int, period: Literal["epoch", "step"]) -> dict[str, object]:
        """Ludwig's layout; the test rows take no part in training, so `test` is empty."""
        return {
            "training": self.training,
            "validation": self.validation,
            "test": {},
            "evaluation_frequency": {"frequency": frequency, "period": period},
        }


def _append(course: Course, metrics: Metrics, before: int) -> None:
    for output, values in metrics.items():
        for name in values:
            course.setdefault(output, {}).setdefault(name, [None] * before)
    for output, lists in course.items():
        for name, values_so_far in lists.items():
            values_so_far.append(metrics.get(output, {}).get(name))
