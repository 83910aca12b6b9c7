"""Cells of the H3 grid (h3geo.org): resolution, base cell and the cell within each coarser one. N rows.

The index of a cell has 64 bits: from the top 1 of 0, 4 of the mode (1 for a cell), 3 of 0, 4 of the resolution, 7 of
the base cell, and 3 for each of 15 resolutions, 7 where the cell is coarser than that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from pydantic import Strict

from ostinato.column import Column, Fitted, Stats, Unparsable
from ostinato.errors import DataError, Problem
from ostinato.features.h3.spec import H3InputSpec
from ostinato.labels import one_chunk
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape

CELLS = 15
"""Resolutions beyond that of the base cells."""
NO_CELL = 7
"""In place of a cell where the index is coarser."""
FIELDS = 2 + CELLS
"""Resolution, base cell, the cells."""
_BASE_CELLS = 122
_HEX = r"^(0[xX])?[0-9a-fA-F]{15,16}$"
_DECIMAL = r"^[0-9]{17,19}$"
_DIGITS = 16
_SAMPLES = 5


@dataclass(frozen=True)
class H3Stats(Stats):
    """How many cells of each resolution there are."""

    resolutions: dict[int, int] = field(default_factory=dict)
    missing: int = 0

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        both = dict(Counter(self.resolutions) + Counter(other.resolutions))
        return type(self)(both, self.missing + other.missing)

    def to_json(self) -> dict[str, Any]:
        """Resolutions and counts as pairs."""
        return {"resolutions": sorted(self.resolutions.items()), "missing": self.missing}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls({int(each): int(count) for each, count in value["resolutions"]}, value["missing"])


class H3Fitted(Fitted):
    """The resolutions of the training rows' cells."""

    rows: int
    """Cells."""
    missing: int
    """Missing cells."""
    resolutions: Annotated[tuple[int, ...], Strict(False)]
    """Their resolutions."""
    fill: Annotated[tuple[int, ...], Strict(False)]
    """What stands for a missing cell."""


@implements(H3InputSpec, "data")
class H3Column(Column[H3Stats, H3Fitted]):
    """A column of cells to learn from."""

    stats_type = H3Stats
    fitted_type = H3Fitted
    arrow_type = pa.string()

    def __init__(self, spec: H3InputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing

    @property
    def canonical_type(self) -> pa.DataType:
        """The index as a whole number."""
        return pa.int64()

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] whole numbers, or texts with hexadecimal or decimal ones -> [N] int64; what is no cell is null.

        Raises:
            DataError: floating-point numbers, which can't hold all digits, and what is no number.
        """
        array = one_chunk(raw)
        if pt.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        kind = array.type
        if pt.is_integer(kind) or pt.is_null(kind):
            indices = array.cast(pa.int64(), safe=False)
        elif pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
            indices = _of_texts(pc.utf8_trim_whitespace(array.cast(pa.string())))
        else:
            hint = "a floating-point number can't hold all digits of a cell" if pt.is_floating(kind) else ""
            allowed = "whole numbers, or text with hexadecimal or decimal ones"
            raise DataError(Problem(self.spec.name, f"holds values of type {kind}", allowed, hint))
        empty = missing(indices)
        numbers = indices.fill_null(0).to_numpy()
        fine = is_cell(numbers)
        bad = ~fine & ~missing(array)
        samples = [str(value) for value in array.filter(pa.array(bad)).to_pylist() if str(value).strip()]
        return pa.array(numbers, mask=empty | ~fine), Unparsable(len(samples), tuple(samples[:_SAMPLES]))

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> H3Stats:
        """Resolutions of [N] cells."""
        found, counts = np.unique(_fields(column.drop_null().to_numpy())[:, 0], return_counts=True)
        return H3Stats(dict(zip(found.tolist(), counts.tolist(), strict=True)), column.null_count)

    def fit(self, stats: H3Stats) -> H3Fitted:
        """The resolutions, and what stands for a missing cell.

        Raises:
            DataError: a fill value that is no cell.
        """
        value = self.preprocessing.fill_value
        if not (0 <= value < 2**63 and is_cell(np.array([value]))[0]):
            where = f"{self.spec.name}, preprocessing.fill_value"
            raise DataError(Problem(where, f"found {value}", "the number of a cell of the H3 grid"))
        return H3Fitted(
            rows=sum(stats.resolutions.values()),
            missing=stats.missing,
            resolutions=tuple(sorted(stats.resolutions)),
            fill=tuple(_fields(np.array([value]))[0].tolist()),
        )

    def drops(self, column: pa.Array, fitted: H3Fitted | None) -> np.ndarray | None:
        """[N] bool: missing cells, where `drop_row` is their strategy."""
        drop = fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
        return missing(column) if drop else None

    def gaps(self, column: pa.Array, fitted: H3Fitted) -> Gaps | None:
        """Missing cells, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: H3Fitted) -> np.ndarray:
        """[N] cells -> [N, 17] int32: resolution, base cell, the cell of each resolution (7 for none)."""
        fields = _fields(column.fill_null(0).to_numpy())
        fields[missing(column)] = fitted.fill
        return fields

    def decode(self, encoded: np.ndarray, fitted: H3Fitted) -> pa.Array:
        """[N, 17] -> [N] cells in hexadecimal."""
        fields = encoded.astype(np.int64)
        numbers = (1 << 59) | (fields[:, 0] << 52) | (fields[:, 1] << 45)
        for place in range(CELLS):
            numbers |= fields[:, 2 + place] << _shift(place)
        return pa.array([f"{number:x}" for number in numbers.tolist()], pa.string())

    def shape(self, fitted: H3Fitted) -> Shape:
        """Kind fields."""
        return Shape("fields", length=FIELDS)

    def warnings(self, fitted: H3Fitted) -> list[str]:
        """A column without cells."""
        return [] if fitted.rows else [f"{self.spec.name}: no cells among the training rows; the column says nothing"]


def is_cell(numbers: np.ndarray) -> np.ndarray:
    """[N] int64 -> [N] bool, true where it is the index of a cell."""
    fields = _fields(numbers)
    places = np.arange(1, CELLS + 1)
    used = places <= fields[:, :1]
    cells = fields[:, 2:]
    header = numbers >> 56 == 1 << 3  # mode 1, and 0 in what else is there
    fine: np.ndarray = header & (fields[:, 1] < _BASE_CELLS) & np.where(used, cells != NO_CELL, cells == NO_CELL).all(1)
    return fine


def _fields(numbers: np.ndarray) -> np.ndarray:
    """[N] int64 -> [N, 17] int32."""
    parts = [numbers >> 52 & 15, numbers >> 45 & 127, *(numbers >> _shift(place) & 7 for place in range(CELLS))]
    return np.stack(parts, axis=1).astype(np.int32)


def _shift(place: int) -> int:
    return 3 * (CELLS - 1 - place)


def _of_texts(texts: pa.Array) -> pa.Array:
    """[N] texts -> [N] int64; null where a text is no number."""
    nothing = pa.scalar(None, pa.string())
    decimal = pc.if_else(pc.match_substring_regex(texts, _DECIMAL), texts, nothing)
    # The largest cell has 18 digits.
    decimal = pc.if_else(pc.less(pc.binary_length(decimal), 19), decimal, nothing).cast(pa.int64())
    is_hex = pc.fill_null(pc.match_substring_regex(texts, _HEX), False)
    digits = pc.replace_substring_regex(pc.utf8_lower(pc.if_else(is_hex, texts, "0")), "^0x", "")
    padded = pc.utf8_lpad(digits, _DIGITS, "0").cast(pa.binary(_DIGITS))
    letters = np.frombuffer(padded.buffers()[1], np.uint8)[: len(texts) * _DIGITS].reshape(-1, _DIGITS)
    values = np.where(letters >= ord("a"), letters - ord("a") + 10, letters - ord("0")).astype(np.uint64)
    shifts = np.arange(4 * (_DIGITS - 1), -1, -4, dtype=np.uint64)
    hexadecimal = (values << shifts).sum(axis=1, dtype=np.uint64).view(np.int64)
    return pc.coalesce(decimal, pa.array(hexadecimal, mask=~is_hex.to_numpy(zero_copy_only=False)))
