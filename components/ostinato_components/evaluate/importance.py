"""What each input feature is worth: how much the metric falls when its column is shuffled (Breiman 2001).

A feature that another one can stand in for looks less important than it is. Bounded in rows and in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

MAX_ROWS = 2000
REPEATS = 3
MAX_SECONDS = 30.0

Inputs = Mapping[str, np.ndarray]
Measure = Callable[[Inputs, np.ndarray], dict[str, float]]
"""Encoded inputs [n] and the rows [n] they are -> by output: a value of which more is better."""


@dataclass(frozen=True)
class Importance:
    """Fall of an output's metric when an input feature is shuffled."""

    feature: str
    drop: float
    """Mean over the repeats."""
    deviation: float
    """Standard deviation over the repeats."""


@dataclass(frozen=True)
class Importances:
    """The importance of the input features for each output."""

    by_output: dict[str, tuple[Importance, ...]]
    """Most important first."""
    rows: int
    """Rows that were measured."""
    left_out: tuple[str, ...] = ()
    """Features for which there was no time."""


def permutation_importance(
    inputs: Inputs, measure: Measure, *, seed: int, max_rows: int = MAX_ROWS, max_seconds: float = MAX_SECONDS
) -> Importances:
    """The importance of each column of `inputs`, on at most `max_rows` rows drawn by the seed."""
    generator = np.random.default_rng(seed)
    num_rows = len(next(iter(inputs.values())))
    rows = np.arange(num_rows)
    if num_rows > max_rows:
        rows = np.sort(generator.choice(num_rows, max_rows, replace=False))
    sample = {name: column[rows] for name, column in inputs.items()}
    whole = measure(sample, rows)
    drops: dict[str, dict[str, list[float]]] = {output: {} for output in whole}
    start = time.monotonic()
    left_out = []
    for name, column in sample.items():
        if time.monotonic() - start > max_seconds:
            left_out.append(name)
            continue
        for _ in range(REPEATS):
            shuffled = measure({**sample, name: generator.permutation(column)}, rows)
            for output, value in whole.items():
                if output in shuffled:  # a metric may be defined for fewer orders than this one
                    drops[output].setdefault(name, []).append(value - shuffled[output])
    return Importances(
        {
            output: tuple(
                sorted(
                    (Importance(name, float(np.mean(values)), float(np.std(values))) for name, values in found.items()),
                    key=lambda importance: -importance.drop,
                )
            )
            for output, found in drops.items()
        },
        len(rows),
        tuple(left_out),
    )
