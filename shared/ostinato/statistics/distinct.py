"""How many distinct values there are, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

MOST_HASHES = 4096
"""Hashes kept: exact below, a standard error of 1.6% above (1 / sqrt(k - 2), Bar-Yossef et al. 2002)."""


def unique(values: np.ndarray) -> np.ndarray:
    """The distinct values, rising. `np.unique` hashes them first, which takes ten times as long here."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def _none() -> np.ndarray:
    return np.empty(0, np.uint64)


@dataclass(frozen=True)
class Distinct:
    """The lowest hashes of the values; mergeable, and the same whatever the order."""

    lowest: np.ndarray = field(default_factory=_none)
    """At most MOST_HASHES uint64, rising, each once."""

    @classmethod
    def of(cls, hashes: np.ndarray) -> Self:
        """Of [N] uint64 hashes of values."""
        if len(hashes) > 4 * MOST_HASHES:
            # A bound that keeps more than enough saves sorting all of them, unless most are the same.
            bound = np.partition(hashes, 2 * MOST_HASHES)[2 * MOST_HASHES]
            few = unique(hashes[hashes <= bound])
            if len(few) > MOST_HASHES:
                return cls(few[:MOST_HASHES])
        return cls(unique(hashes)[:MOST_HASHES])

    def merge(self, other: Self) -> Self:
        """Of both."""
        if not len(other.lowest):
            return self
        if len(self.lowest) == MOST_HASHES and other.lowest[0] > self.lowest[-1]:
            return self
        return type(self)(unique(np.concatenate([self.lowest, other.lowest]))[:MOST_HASHES])

    @property
    def is_exact(self) -> bool:
        """Whether `count` is no estimate."""
        return len(self.lowest) < MOST_HASHES

    def count(self) -> int:
        """Number of distinct values."""
        if self.is_exact:
            return len(self.lowest)
        return round((MOST_HASHES - 1) / (float(self.lowest[-1]) / 2.0**64))

    def to_json(self) -> dict[str, Any]:
        """Hashes as hexadecimal text: JSON numbers end at 2**53."""
        return {"lowest": [f"{value:x}" for value in self.lowest.tolist()]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(np.array([int(text, 16) for text in value["lowest"]], np.uint64))
