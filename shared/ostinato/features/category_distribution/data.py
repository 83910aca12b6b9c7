"""Distributions over classes: a probability for each in every row. N rows, K classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
from pydantic import Strict

from ostinato.column import Fitted, OutputColumn, Stats, Unparsable, class_predictions
from ostinato.errors import DataError, Problem
from ostinato.features.category_distribution.spec import CategoryDistributionOutputSpec
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.numerals import NUMBERS, parse_numbers
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.symbols.tokenizers import lengths

_PARTS = 1_000_000
"""Probabilities are summed up in whole parts of 1, so that no order of batches makes a difference."""
_SAMPLES = 5


@dataclass(frozen=True)
class DistributionStats(Stats):
    """How much of the rows each class has."""

    rows: int = 0
    missing: int = 0
    parts: tuple[int, ...] = ()

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        if not (self.parts and other.parts):
            parts = self.parts or other.parts
        else:
            parts = tuple(one + two for one, two in zip(self.parts, other.parts, strict=True))
        return type(self)(self.rows + other.rows, self.missing + other.missing, parts)

    def to_json(self) -> dict[str, Any]:
        """As they are."""
        return {"rows": self.rows, "missing": self.missing, "parts": list(self.parts)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(value["rows"], value["missing"], tuple(value["parts"]))


class DistributionFitted(Fitted):
    """The mean distribution of the training rows."""

    vocabulary: Annotated[tuple[str, ...], Strict(False)]
    """Names of the classes."""
    mean: Annotated[tuple[float, ...], Strict(False)]
    """Their mean probabilities."""
    rows: int
    """Distributions."""
    missing: int
    """Missing ones."""


@implements(CategoryDistributionOutputSpec, "data")
class CategoryDistributionColumn(OutputColumn[DistributionStats, DistributionFitted]):
    """A column of distributions to predict."""

    stats_type = DistributionStats
    fitted_type = DistributionFitted
    arrow_type = pa.string()

    def __init__(self, spec: CategoryDistributionOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
        self.vocabulary = spec.preprocessing.vocab

    @property
    def canonical_type(self) -> pa.DataType:
        """Lists of probabilities."""
        return NUMBERS

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] lists of numbers or texts with numbers -> [N] lists of K that sum up to 1.

        Numbers below 0, nothing but zeros, and another count than there are classes can't be read.

        Raises:
            DataError: the type can't hold numbers.
        """
        lists, unparsable = parse_numbers(raw, self.spec.name, gaps=False)
        empty, size = missing(lists), len(self.vocabulary)
        wrong = (lengths(lists) != size) & ~empty
        usable = ~(empty | wrong)
        shares = np.zeros((len(lists), size), np.float32)
        shares[usable] = lists.filter(pa.array(usable)).flatten().to_numpy().reshape(-1, size)
        total = shares.sum(axis=1, keepdims=True)
        bad = usable & ((shares < 0).any(axis=1) | (total[:, 0] <= 0))
        odd = np.flatnonzero(wrong | bad)
        samples = tuple(str(lists[int(row)].as_py()) for row in odd[:_SAMPLES])
        shares /= np.where(total > 0, total, 1)
        return _lists(shares, empty | wrong | bad), unparsable + Unparsable(len(odd), samples)

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> DistributionStats:
        """Sums over [N] distributions."""
        shares = column.flatten().to_numpy().reshape(-1, len(self.vocabulary))
        parts = np.rint(shares.astype(np.float64) * _PARTS).astype(np.int64).sum(axis=0)
        return DistributionStats(len(shares), column.null_count, tuple(parts.tolist()))

    def fit(self, stats: DistributionStats) -> DistributionFitted:
        """The mean distribution.

        Raises:
            DataError: no distribution at all.
        """
        if not stats.rows:
            raise DataError(Problem(self.spec.name, "has no values among the training rows: nothing to learn"))
        mean = tuple((np.array(stats.parts) / sum(stats.parts)).tolist())
        return DistributionFitted(vocabulary=self.vocabulary, mean=mean, rows=stats.rows, missing=stats.missing)

    def drops(self, column: pa.Array, fitted: DistributionFitted | None) -> np.ndarray | None:
        """[N] bool: missing values, where `drop_row` is their strategy."""
        drop = fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
        return missing(column) if drop else None

    def gaps(self, column: pa.Array, fitted: DistributionFitted) -> Gaps | None:
        """Missing values, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: DistributionFitted) -> np.ndarray:
        """[N] distributions -> [N, K] float32; the mean of the training rows for a missing one."""
        empty = missing(column)
        result = np.empty((len(column), len(self.vocabulary)), np.float32)
        result[empty] = np.array(fitted.mean, np.float32)
        result[~empty] = column.flatten().to_numpy().reshape(-1, len(self.vocabulary))
        return result

    def decode(self, encoded: np.ndarray, fitted: DistributionFitted) -> pa.Array:
        """[N, K] -> [N] lists of probabilities."""
        return _lists(encoded.astype(np.float32), np.zeros(len(encoded), bool))

    def shape(self, fitted: DistributionFitted) -> Shape:
        """Kind distribution."""
        size = len(fitted.vocabulary)
        counts = tuple(round(share * fitted.rows) for share in fitted.mean)
        return Shape("distribution", vocab_size=size, length=size, classes=fitted.vocabulary, class_counts=counts)

    def warnings(self, fitted: DistributionFitted) -> list[str]:
        """Classes that no row has."""
        never = [name for name, share in zip(fitted.vocabulary, fitted.mean, strict=True) if share == 0]
        return [f"{self.spec.name}: no training row gives '{name}' any probability" for name in never]

    def predictions(self, scores: np.ndarray, fitted: DistributionFitted) -> dict[str, pa.Array]:
        """[N, K] -> most probable class, its probability, all probabilities as a list and one by one."""
        return class_predictions(self.spec.name, scores, fitted.vocabulary)


def _lists(shares: np.ndarray, empty: np.ndarray) -> pa.ListArray:
    """[N, K] -> [N] lists, null where `empty` [N] says so."""
    sizes = np.where(empty, 0, shares.shape[1])
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(shares[~empty].reshape(-1)), mask=pa.array(empty))
