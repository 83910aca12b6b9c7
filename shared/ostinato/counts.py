"""How often each of many strings occurs, mergeable and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ostinato.column import Stats

MAX_DISTINCT = 1_000_000
"""Distinct strings kept. Up to here counts are exact; beyond, each is at most `error` too low."""

_LAZY = 1 << 16


def _no_strings() -> pa.Array:
    return pa.array([], pa.string())


def _no_counts() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Counts:
    """Strings and how often they occur."""

    values: pa.Array = field(default_factory=_no_strings)
    """Strings; one may occur several times until `settled`."""
    counts: np.ndarray = field(default_factory=_no_counts)
    """[len(values)] int64."""
    distinct: int = 0
    """Length of the front part of `values` that is known to have no repetitions."""
    error: int = 0
    """What a count may be too low by, and the most a string that is not there can have occurred."""

    @classmethod
    def of(cls, column: pa.DictionaryArray) -> Self:
        """Counts of [N] dictionary-encoded strings; null is not counted."""
        indices = column.indices.drop_null() if column.null_count else column.indices
        counts = np.bincount(indices.to_numpy(), minlength=len(column.dictionary)).astype(np.int64)
        seen = counts > 0
        if seen.all():
            return cls(column.dictionary, counts, len(counts))
        return cls(column.dictionary.filter(pa.array(seen)), counts[seen], int(seen.sum()))

    def merge(self, other: Self) -> Self:
        """Counts of both."""
        first, second = (self, other) if self.distinct >= other.distinct else (other, self)
        if not len(second.values):
            return type(self)(first.values, first.counts, first.distinct, first.error + second.error)
        joined = type(self)(
            pa.concat_arrays([first.values, second.values]),
            np.concatenate([first.counts, second.counts]),
            first.distinct,
            first.error + second.error,
        )
        # Settling costs as much as all that is there: only when that has grown by half.
        return joined.settled() if len(joined.values) > joined.distinct * 1.5 + _LAZY else joined

    def settled(self) -> Self:
        """The same counts, each string once, at most MAX_DISTINCT of them (Misra and Gries 1982; Agarwal 2013)."""
        values, counts = self.values, self.counts
        if len(values) > self.distinct:
            encoded = values.dictionary_encode()
            values = encoded.dictionary
            weights = np.bincount(encoded.indices.to_numpy(), weights=counts, minlength=len(values))
            counts = weights.astype(np.int64)  # exact: counts are far below 2**53
        error = self.error
        if len(values) > MAX_DISTINCT:
            cut = int(np.partition(counts, len(counts) - MAX_DISTINCT - 1)[len(counts) - MAX_DISTINCT - 1])
            counts = counts - cut
            kept = counts > 0
            values, counts, error = values.filter(pa.array(kept)), counts[kept], error + cut
        return type(self)(values, counts, len(values), error)

    def most_common(self, most: int | None = None) -> tuple[list[str], list[int]]:
        """Strings and counts, the most frequent first, ties by name."""
        settled = self.settled()
        table = pa.table({"value": settled.values, "count": settled.counts})
        order = pc.sort_indices(table, sort_keys=[("count", "descending"), ("value", "ascending")])
        table = table.take(order if most is None else order[:most])
        return table["value"].to_pylist(), table["count"].to_pylist()

    def total(self) -> int:
        """Number of strings counted."""
        return int(self.counts.sum())

    def to_json(self) -> dict[str, Any]:
        """Strings in order of frequency."""
        values, counts = self.most_common()
        return {"values": values, "counts": counts, "error": self.error}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        values = pa.array(value["values"], pa.string())
        return cls(values, np.array(value["counts"], np.int64), len(values), value["error"])


@dataclass(frozen=True)
class LabelStats(Stats):
    """How often each label of a column occurs, and how often none."""

    counts: Counts = field(default_factory=Counts)
    missing: int = 0

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        return type(self)(self.counts.merge(other.counts), self.missing + other.missing)

    def to_json(self) -> dict[str, Any]:
        """Values in order of frequency."""
        return {"counts": self.counts.to_json(), "missing": self.missing}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(Counts.from_json(value["counts"]), value["missing"])
