"""Dates: year, month, day, weekday and time of the day as whole numbers. N rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Strict

from ostinato.column import Column, Fitted, Stats, Unparsable
from ostinato.errors import DataError, Problem
from ostinato.features.date.spec import DateInputSpec
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.times import WALL_TIME, wall_times

FIELDS = ("year", "month", "day", "weekday", "day of the year", "hour", "minute", "second", "second of the day")
"""Places of an encoded date; a month of 0 says that it is missing. Monday is weekday 0."""
_SAMPLES = 5


@dataclass(frozen=True)
class DateStats(Stats):
    """How many dates there are, and the first and last of them in seconds since 1970."""

    rows: int = 0
    missing: int = 0
    first: int | None = None
    last: int | None = None

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        first = [each for each in (self.first, other.first) if each is not None]
        last = [each for each in (self.last, other.last) if each is not None]
        rows, absent = self.rows + other.rows, self.missing + other.missing
        return type(self)(rows, absent, min(first, default=None), max(last, default=None))

    def to_json(self) -> dict[str, Any]:
        """As they are."""
        return {"rows": self.rows, "missing": self.missing, "first": self.first, "last": self.last}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(value["rows"], value["missing"], value["first"], value["last"])


class DateFitted(Fitted):
    """The span of the training rows' dates."""

    rows: int
    """Dates."""
    missing: int
    """Missing dates."""
    first: str
    """The first date; empty where there is none."""
    last: str
    """The last date; empty where there is none."""
    fill: Annotated[tuple[int, ...], Strict(False)]
    """What stands for a missing date."""


@implements(DateInputSpec, "data")
class DateColumn(Column[DateStats, DateFitted]):
    """A column of dates to learn from."""

    stats_type = DateStats
    fitted_type = DateFitted
    arrow_type = pa.string()

    def __init__(self, spec: DateInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing

    @property
    def canonical_type(self) -> pa.DataType:
        """What a clock on the wall shows, to the second."""
        return WALL_TIME

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] times, dates, numbers or texts -> [N] times; a text that is none is null and counted.

        Raises:
            DataError: the type holds no times.
        """
        found = wall_times(raw, self.spec.name, self.preprocessing.datetime_format)
        if not found.null_count:
            return found, Unparsable()
        bad = missing(found) & ~missing(raw)
        if not bad.any():
            return found, Unparsable()
        values = raw.filter(pa.array(bad)).to_pylist()
        samples = [str(value) for value in values if str(value).strip()]
        return found, Unparsable(len(samples), tuple(samples[:_SAMPLES]))

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> DateStats:
        """The first and last of [N] dates."""
        ends = pc.min_max(column.cast(pa.int64()))
        return DateStats(len(column) - column.null_count, column.null_count, ends["min"].as_py(), ends["max"].as_py())

    def fit(self, stats: DateStats) -> DateFitted:
        """The span, and what stands for a missing date.

        Raises:
            DataError: a fill value that is no date.
        """
        fill = np.zeros(len(FIELDS), np.int32)
        value = self.preprocessing.fill_value
        if value:
            date = wall_times(pa.array([value]), self.spec.name, self.preprocessing.datetime_format)
            if date.null_count:
                where = f"{self.spec.name}, preprocessing.fill_value"
                raise DataError(Problem(where, f"found '{value}'", "a date, or nothing"))
            fill = _fields(date)[0]
        ends = (_text(stats.first), _text(stats.last))
        return DateFitted(
            rows=stats.rows, missing=stats.missing, first=ends[0], last=ends[1], fill=tuple(fill.tolist())
        )

    def drops(self, column: pa.Array, fitted: DateFitted | None) -> np.ndarray | None:
        """[N] bool: missing dates, where `drop_row` is their strategy."""
        drop = fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
        return missing(column) if drop else None

    def gaps(self, column: pa.Array, fitted: DateFitted) -> Gaps | None:
        """Missing dates, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: DateFitted) -> np.ndarray:
        """[N] dates -> [N, 9] int32, in the order of `FIELDS`."""
        fields = _fields(column)
        fields[missing(column)] = fitted.fill
        return fields

    def decode(self, encoded: np.ndarray, fitted: DateFitted) -> pa.Array:
        """[N, 9] -> [N] dates."""
        fields = encoded.astype(np.int64)
        months = (fields[:, 0] - 1970) * 12 + np.maximum(fields[:, 1], 1) - 1
        days = months.astype("datetime64[M]").astype("datetime64[D]") + (np.maximum(fields[:, 2], 1) - 1)
        return pa.array(days.astype("datetime64[s]") + fields[:, 8], mask=fields[:, 1] == 0)

    def shape(self, fitted: DateFitted) -> Shape:
        """Kind fields."""
        return Shape("fields", length=len(FIELDS))

    def warnings(self, fitted: DateFitted) -> list[str]:
        """A column without dates, or with one."""
        name = self.spec.name
        if not fitted.rows:
            return [f"{name}: no dates among the training rows; the column says nothing"]
        if fitted.first == fitted.last and not fitted.missing:
            return [f"{name}: every training row has the same date, {fitted.first}"]
        return []


def _fields(column: pa.Array) -> np.ndarray:
    """[N] times -> [N, 9] int32; a missing one is all 0."""
    hour, minute, second = pc.hour(column), pc.minute(column), pc.second(column)
    whole = [
        pc.year(column), pc.month(column), pc.day(column), pc.day_of_week(column), pc.day_of_year(column),
        hour, minute, second,
        pc.add(pc.add(pc.multiply(hour, 3600), pc.multiply(minute, 60)), second),
    ]  # fmt: skip
    return np.stack([each.fill_null(0).to_numpy().astype(np.int32) for each in whole], axis=1)


def _text(seconds: int | None) -> str:
    return "" if seconds is None else str(np.datetime64(seconds, "s")).replace("T", " ").removesuffix(" 00:00:00")
