"""Series of numbers. N rows, T steps."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Strict

from ostinato.column import Column, Fitted, Unparsable
from ostinato.errors import DataError, Problem
from ostinato.features.timeseries.spec import TimeseriesInputSpec
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.numerals import NUMBERS, ListStats, parse_numbers
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.symbols.data import padded
from ostinato.symbols.tokenizers import lengths


class TimeseriesFitted(Fitted):
    """The length of every encoded series."""

    length: int
    """Steps of every encoded series."""
    longest: int
    """Steps of the longest training series."""
    rows: int
    """Series."""
    missing: int
    """Missing series."""
    fill: Annotated[tuple[float, ...], Strict(False)]
    """What stands for a missing series."""


@implements(TimeseriesInputSpec, "data")
class TimeseriesColumn(Column[ListStats, TimeseriesFitted]):
    """A column of series to learn from."""

    stats_type = ListStats
    fitted_type = TimeseriesFitted
    arrow_type = pa.string()

    def __init__(self, spec: TimeseriesInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing

    @property
    def canonical_type(self) -> pa.DataType:
        """Lists of numbers."""
        return NUMBERS

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] lists of numbers or texts with numbers -> [N] lists of float32 without gaps.

        Raises:
            DataError: the type can't hold numbers.
        """
        lists, unparsable = parse_numbers(raw, self.spec.name, gaps=True)
        return _without_gaps(lists), unparsable

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> ListStats:
        """Lengths of [N] series."""
        return ListStats.of(column)

    def fit(self, stats: ListStats) -> TimeseriesFitted:
        """The length of the longest series, within the limit.

        Raises:
            DataError: a fill value that is no series of numbers.
        """
        longest = max(stats.lengths, default=1)
        length = min(longest, self.preprocessing.timeseries_length_limit)
        fill, unparsable = parse_numbers(pa.array([self.preprocessing.fill_value]), self.spec.name, gaps=False)
        if unparsable.count:
            where = f"{self.spec.name}, preprocessing.fill_value"
            raise DataError(
                Problem(where, f"found '{self.preprocessing.fill_value}'", "numbers, with spaces between, or nothing")
            )
        return TimeseriesFitted(
            length=length,
            longest=longest,
            rows=stats.rows,
            missing=stats.missing,
            fill=tuple(fill.flatten().to_pylist()[:length]),
        )

    def drops(self, column: pa.Array, fitted: TimeseriesFitted | None) -> np.ndarray | None:
        """[N] bool: missing series, where `drop_row` is their strategy."""
        drop = fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
        return missing(column) if drop else None

    def gaps(self, column: pa.Array, fitted: TimeseriesFitted) -> Gaps | None:
        """Missing series, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: TimeseriesFitted) -> np.ndarray:
        """[N] series -> [N, T] float32, the first T steps; short ones are filled with NaN."""
        left = self.preprocessing.padding == "left"
        values = np.array(column.flatten().to_numpy(), np.float32)
        result = padded(values, lengths(column), fitted.length, np.nan, left=left)
        if column.null_count and fitted.fill:
            fill = np.array([fitted.fill], np.float32).reshape(-1)
            result[missing(column)] = padded(fill, np.array([len(fill)]), fitted.length, np.nan, left=left)
        return result

    def decode(self, encoded: np.ndarray, fitted: TimeseriesFitted) -> pa.Array:
        """[N, T] -> [N] lists of numbers, without what fills them up."""
        kept = ~np.isnan(encoded)
        offsets = pa.array(np.concatenate([[0], np.cumsum(kept.sum(axis=1))]), pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(encoded[kept].astype(np.float32)))

    def shape(self, fitted: TimeseriesFitted) -> Shape:
        """Kind series."""
        return Shape("series", length=fitted.length)

    def warnings(self, fitted: TimeseriesFitted) -> list[str]:
        """A column without series; series that are cut off."""
        name = self.spec.name
        if not fitted.rows:
            return [f"{name}: no series among the training rows; the column says nothing"]
        if fitted.longest > fitted.length:
            limit = "timeseries_length_limit"
            return [f"{name}: series of up to {fitted.longest:,} steps; the first {fitted.length:,} are kept ({limit})"]
        return []


def _without_gaps(lists: pa.ListArray) -> pa.ListArray:
    """[N] lists -> the same with the number before in each gap (after it, at the beginning); null if all are gaps."""
    values = lists.values
    if not values.null_count:
        return lists
    offsets = lists.offsets.to_numpy()
    sizes = np.diff(offsets)
    numbers = values.to_numpy(zero_copy_only=False)
    usable = ~np.isnan(numbers)
    starts = np.repeat(offsets[:-1], sizes)
    places = np.arange(len(numbers))
    last = np.maximum.accumulate(np.where(usable, places, -1))
    following = np.minimum.accumulate(np.where(usable, places, len(numbers))[::-1])[::-1]
    source = np.where(last >= starts, last, following)
    some = np.add.reduceat(np.append(usable, False), np.minimum(offsets[:-1], len(numbers))) * (sizes > 0) > 0
    filled = numbers[np.minimum(source, len(numbers) - 1)].astype(np.float32)
    return pa.ListArray.from_arrays(lists.offsets, pa.array(filled), mask=pa.array(missing(lists) | ~some))
