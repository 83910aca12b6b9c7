"""Vectors: as many numbers in every row. N rows, T numbers."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Strict

from ostinato.column import Fitted, OutputColumn, Unparsable
from ostinato.errors import DataError, Problem, listing
from ostinato.features.vector.spec import VectorInputSpec, VectorOutputSpec
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.numerals import NUMBERS, ListStats, parse_numbers
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.symbols.tokenizers import lengths


class VectorFitted(Fitted):
    """The length of the training rows' vectors."""

    length: int
    """Numbers of a vector."""
    rows: int
    """Vectors."""
    missing: int
    """Missing vectors."""
    fill: Annotated[tuple[float, ...], Strict(False)]
    """What stands for a missing vector."""


@implements(VectorInputSpec, "data")
@implements(VectorOutputSpec, "data")
class VectorColumn(OutputColumn[ListStats, VectorFitted]):
    """A column of vectors, to learn from or to predict."""

    stats_type = ListStats
    fitted_type = VectorFitted
    arrow_type = pa.string()

    def __init__(self, spec: VectorInputSpec | VectorOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
        self.size = self.preprocessing.vector_size
        if isinstance(spec, VectorOutputSpec) and self.size is None:
            self.size = spec.vector_size

    @property
    def canonical_type(self) -> pa.DataType:
        """Lists of numbers."""
        return NUMBERS

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] lists of numbers or texts with numbers -> [N] lists of float32.

        Raises:
            DataError: the type can't hold numbers.
        """
        lists, unparsable = parse_numbers(raw, self.spec.name, gaps=False)
        if self.size is None:
            return lists, unparsable
        sizes, empty = lengths(lists), missing(lists)
        wrong = (sizes != self.size) & ~empty
        if not wrong.any():
            return lists, unparsable
        samples = tuple(f"a vector of {size}" for size in np.unique(sizes[wrong])[:5].tolist())
        masked = pa.ListArray.from_arrays(lists.offsets, lists.values, mask=pa.array(empty | wrong))
        return masked, unparsable + Unparsable(int(wrong.sum()), samples)

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> ListStats:
        """Lengths of [N] vectors."""
        return ListStats.of(column)

    def fit(self, stats: ListStats) -> VectorFitted:
        """The one length of the vectors.

        Raises:
            DataError: vectors of several lengths; a target without any; a fill value of another length.
        """
        name = self.spec.name
        if len(stats.lengths) > 1:
            counts = sorted(stats.lengths.items(), key=lambda item: (-item[1], item[0]))
            found = listing((f"{length} ({count:,} rows)" for length, count in counts), most=5)
            hint = "set preprocessing.vector_size to the right length; all other vectors then count as missing"
            raise DataError(
                Problem(name, f"has vectors of {len(counts)} lengths: {found}", "vectors of one length", hint)
            )
        if not stats.lengths and isinstance(self.spec, VectorOutputSpec):
            raise DataError(Problem(name, "has no vectors among the training rows: nothing to learn"))
        length = next(iter(stats.lengths), self.size or 1)
        return VectorFitted(length=length, rows=stats.rows, missing=stats.missing, fill=self._fill(length))

    def _fill(self, length: int) -> tuple[float, ...]:
        value = self.preprocessing.fill_value
        if not value:
            return (0.0,) * length
        lists, unparsable = parse_numbers(pa.array([value]), self.spec.name, gaps=False)
        numbers = lists.flatten().to_pylist()
        if unparsable.count or len(numbers) != length:
            where = f"{self.spec.name}, preprocessing.fill_value"
            raise DataError(Problem(where, f"found '{value}'", f"{length} numbers, with spaces between"))
        return tuple(numbers)

    def drops(self, column: pa.Array, fitted: VectorFitted | None) -> np.ndarray | None:
        """[N] bool: missing vectors, where `drop_row` is their strategy."""
        drop = fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
        return missing(column) if drop else None

    def gaps(self, column: pa.Array, fitted: VectorFitted) -> Gaps | None:
        """Missing vectors, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: VectorFitted) -> np.ndarray:
        """[N] vectors -> [N, T] float32.

        Raises:
            DataError: a vector of another length than those of the training rows.
        """
        empty, sizes = missing(column), lengths(column)
        wrong = np.flatnonzero((sizes != fitted.length) & ~empty)
        if len(wrong):
            found = f"has {len(wrong):,} vectors of another length, as {sizes[wrong[0]]}"
            hint = "set preprocessing.vector_size, so that they count as missing"
            raise DataError(Problem(self.spec.name, found, f"{fitted.length} numbers, as the training rows have", hint))
        if not empty.any():
            return np.array(column.flatten().to_numpy(), np.float32).reshape(len(column), fitted.length)
        result = np.empty((len(column), fitted.length), np.float32)
        result[empty] = np.array(fitted.fill, np.float32)
        result[~empty] = column.flatten().to_numpy().reshape(-1, fitted.length)
        return result

    def decode(self, encoded: np.ndarray, fitted: VectorFitted) -> pa.Array:
        """[N, T] -> [N] lists of numbers."""
        offsets = pa.array(np.arange(len(encoded) + 1, dtype=np.int32) * encoded.shape[1])
        return pa.ListArray.from_arrays(offsets, pa.array(encoded.astype(np.float32).reshape(-1)))

    def shape(self, fitted: VectorFitted) -> Shape:
        """Kind vector."""
        return Shape("vector", length=fitted.length)

    def warnings(self, fitted: VectorFitted) -> list[str]:
        """A column without vectors."""
        return [] if fitted.rows else [f"{self.spec.name}: no vectors among the training rows; the column says nothing"]

    def predictions(self, scores: np.ndarray, fitted: VectorFitted) -> dict[str, pa.Array]:
        """[N, T] -> `<name>_predictions`, lists of numbers."""
        return {f"{self.spec.name}_predictions": self.decode(scores, fitted)}
