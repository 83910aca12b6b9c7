"""What columns say about the target and about each other, on a sample of rows. N rows, K classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ostinato.statistics.column import NUMBERS
from ostinato.type_inference import Inferred

_BINS = 20
_ROWS_OF_A_BIN = 40
_PRIOR_ROWS = 4.0
"""Rows of the average that are added to each part, so that few rows of its own say little."""
_MOST_CLASSES = 20
_FEW_ROWS = 40
_MOST_CORRELATED = 300


@dataclass(frozen=True)
class Relation:
    """Two columns that say the same, or nearly."""

    first: str
    second: str
    kind: str
    """`equal`, `one-to-one` or `correlated`."""
    correlation: float = 1.0


class Pairs:
    """Columns of a sample, coded once."""

    def __init__(self, sample: pa.Table, columns: Mapping[str, Inferred]) -> None:
        self.rows = sample.num_rows
        self.sample = sample
        self.codes = {name: _codes(sample[name]) for name in columns}
        self.numbers = {
            name: NUMBERS.parse(sample[name])[0].to_numpy(zero_copy_only=False)
            for name, column in columns.items()
            if column.type == "number"
        }

    def explained(self, target: str, is_number: bool) -> dict[str, float]:
        """By column, the share of the target's variance that it explains alone, on rows not used to find out how.

        Numbers are cut into 20 parts of equal size, so this sees relations that are not linear. Of classes it is the
        variance of their indicators; of numbers that of their ranks.
        """
        present = self.codes[target] > 0
        if present.sum() < _FEW_ROWS:
            return {}
        wanted = self._ranks(target, present) if is_number else self._indicators(target, present)
        return {name: _explained(wanted, self._binned(name)[present]) for name in self.codes if name != target}

    def relations(self) -> list[Relation]:
        """Columns that are copies of each other, or can be told from each other."""
        if self.rows < _FEW_ROWS:
            return []
        found: list[Relation] = []
        by_print: dict[str, str] = {}
        for name, codes in self.codes.items():
            distinct = int(codes.max(initial=0))
            if distinct < 2:
                continue
            values = self._text_print(name)
            is_key = distinct > 0.9 * self.rows  # of two columns of keys, each tells the other; that says nothing
            marks = [values] if is_key else [values, _print(codes)]
            twin = next((by_print[mark] for mark in marks if mark in by_print), None)
            if twin is not None:
                kind = "equal" if by_print.get(values) == twin else "one-to-one"
                found.append(Relation(twin, name, kind))
            for mark in marks:
                by_print.setdefault(mark, name)
        return found + self._correlated({relation.second for relation in found})

    def correlations(self, names: Sequence[str]) -> np.ndarray:
        """[F, F] of numbers; a missing one counts as the mean."""
        columns = [
            np.where(np.isnan(self.numbers[name]), _mean(self.numbers[name]), self.numbers[name]) for name in names
        ]
        matrix = np.array([column - column.mean() for column in columns])
        norms = np.sqrt((matrix**2).sum(axis=1))
        norms[norms == 0] = 1.0
        matrix /= norms[:, None]
        correlations: np.ndarray = matrix @ matrix.T
        return correlations

    def _correlated(self, twins: set[str]) -> list[Relation]:
        names = [name for name in self.numbers if name not in twins and self.codes[name].max(initial=0) > 2]
        names = names[:_MOST_CORRELATED]
        if len(names) < 2:
            return []
        matrix = self.correlations(names)
        pairs = np.argwhere(np.triu(np.abs(matrix), 1) >= 0.98)
        found = [Relation(names[a], names[b], "correlated", float(matrix[a, b])) for a, b in pairs]
        return sorted(found, key=lambda relation: -abs(relation.correlation))

    def _binned(self, name: str) -> np.ndarray:
        """[N] codes; of numbers with many values, of 20 parts of equal size. 0 is missing."""
        codes = self.codes[name]
        if name not in self.numbers or codes.max(initial=0) <= _BINS:
            return codes
        values = self.numbers[name]
        there = ~np.isnan(values)
        num_bins = max(4, min(_BINS, len(values) // _ROWS_OF_A_BIN))
        edges = np.unique(np.quantile(values[there], np.linspace(0, 1, num_bins + 1)[1:-1]))
        return np.where(there, np.searchsorted(edges, values, side="right") + 1, 0)

    def _ranks(self, target: str, present: np.ndarray) -> np.ndarray:
        values = np.nan_to_num(self.numbers[target][present]) if target in self.numbers else self.codes[target][present]
        _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks: np.ndarray = (np.cumsum(counts) - counts / 2)[places][:, None] / len(values)
        return ranks

    def _indicators(self, target: str, present: np.ndarray) -> np.ndarray:
        """[N, K]; rare classes are left to the rest."""
        codes = self.codes[target][present]
        frequent = np.argsort(-np.bincount(codes), kind="stable")[:_MOST_CLASSES]
        indicators: np.ndarray = (codes[:, None] == frequent[None, :]).astype(np.float64)
        return indicators

    def _text_print(self, name: str) -> str:
        texts = self.sample[name].combine_chunks()
        return hashlib.sha256(pa.record_batch([texts], names=["x"]).serialize()).hexdigest()


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """[N] codes from 1 in the order of first occurrence; 0 is missing."""
    encoded = column.combine_chunks().dictionary_encode()
    codes: np.ndarray = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy() + 1
    return codes


def _print(codes: np.ndarray) -> str:
    """The same for columns of which each tells the other: codes are in the order of first occurrence."""
    return hashlib.sha256(codes.tobytes()).hexdigest()


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else 0.0


def _explained(wanted: np.ndarray, bins: np.ndarray) -> float:
    """1 - error / variance, found on every other row and judged on those between; the mean of both ways."""
    shares = []
    halves = np.arange(len(wanted)) % 2
    for half in (0, 1):
        learn, judge = halves == half, halves != half
        base = wanted[learn].mean(axis=0)
        counts = np.bincount(bins[learn], minlength=bins.max() + 1) + _PRIOR_ROWS
        sums = np.stack([np.bincount(bins[learn], column, len(counts)) for column in wanted[learn].T], axis=1)
        error = ((wanted[judge] - ((sums + _PRIOR_ROWS * base) / counts[:, None])[bins[judge]]) ** 2).sum()
        variance = ((wanted[judge] - base) ** 2).sum()
        shares.append(1 - error / variance if variance > 0 else 0.0)
    return max(0.0, float(np.mean(shares)))
