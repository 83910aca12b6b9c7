"""Whether a metric still improves: for early stopping, for the learning rate and for the batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ostinato.metrics.spec import Objective


@dataclass
class Plateau:
    """Counts evaluations since the best value."""

    objective: Objective
    best: float | None = None
    """The best value so far; None before the first one that is defined."""
    waited: int = 0
    """Evaluations since the last one that was better by at least `least`."""
    least: float = 0.0
    """Improvements that are smaller are kept, but nobody waits for the next."""
    milestone: float | None = None
    """The value that ended the last wait."""

    def update(self, value: float | None) -> bool:
        """True where the value is the best so far; an undefined one (None) is not."""
        if value is not None and math.isfinite(value) and (self.best is None or self._is_better(value, self.best)):
            self.best = value
            if self.milestone is None or abs(value - self.milestone) >= self.least:
                self.milestone = value
                self.waited = 0
            else:
                self.waited += 1
            return True
        self.waited += 1
        return False

    def _is_better(self, value: float, best: float) -> bool:
        return value > best if self.objective == "maximize" else value < best


@dataclass
class Reaction:
    """Something that happens at most `times` times, each after more than `patience` evaluations without improvement."""

    plateau: Plateau
    patience: int
    times: int

    def due(self, value: float | None) -> bool:
        """Whether it happens now; then waiting starts anew."""
        if self.plateau.update(value) or self.times == 0 or self.plateau.waited <= self.patience:
            return False
        self.times -= 1
        self.plateau.waited = 0
        return True


LEAST_IMPROVEMENT = 1e-4
"""What a metric must improve by so that `early_stop: auto` waits anew: below, losses only creep."""
EVALUATIONS = 16
"""Evaluations without improvement before `early_stop: auto` stops."""
MOST_STEPS = 1000
"""Steps above which `auto` waits for fewer evaluations: an epoch of many steps is a long time to hope."""
FEWEST_EVALUATIONS = 5
"""Below this many, chance decides."""
FEWEST_STEPS = 64
"""Steps below which `auto` waits for more evaluations: with thirty rows an epoch is one step."""


def patience(early_stop: int | str, steps_per_evaluation: int) -> int | None:
    """Evaluations without improvement after which training stops; None for never."""
    if early_stop == "auto":
        fewer = max(FEWEST_EVALUATIONS, math.ceil(MOST_STEPS / steps_per_evaluation))
        return max(min(EVALUATIONS, fewer), math.ceil(FEWEST_STEPS / steps_per_evaluation))
    assert isinstance(early_stop, int)
    # 0 stops at the first evaluation that is not better, as in Ludwig.
    return None if early_stop < 0 else max(1, early_stop)
