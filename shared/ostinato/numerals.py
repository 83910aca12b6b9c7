"""Values of several numbers each: lists, or text such as "0.5 1 2e3" and "[1, 2]". N rows, M numbers in all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.column import Stats, Unparsable
from ostinato.errors import DataError, Problem
from ostinato.labels import one_chunk
from ostinato.missing import missing
from ostinato.symbols.data import as_lists, is_list
from ostinato.symbols.tokenizers import lengths

NUMBERS = pa.list_(pa.float32())
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_GAPS = pa.array(["nan", "-nan", "null", "none", "na", "n/a", "?"])
_BETWEEN = r"[\[\](),;\s]+"
_SHOWN = 60


@dataclass(frozen=True)
class ListStats(Stats):
    """How many values have each length, and how many are missing."""

    lengths: dict[int, int] = field(default_factory=dict)
    missing: int = 0

    @classmethod
    def of(cls, column: pa.ListArray) -> Self:
        """Of [N] lists."""
        empty = missing(column)
        found, counts = np.unique(lengths(column)[~empty], return_counts=True)
        return cls(dict(zip(found.tolist(), counts.tolist(), strict=True)), int(empty.sum()))

    @property
    def rows(self) -> int:
        """Values."""
        return sum(self.lengths.values())

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        return type(self)(dict(Counter(self.lengths) + Counter(other.lengths)), self.missing + other.missing)

    def to_json(self) -> dict[str, Any]:
        """Lengths and counts as pairs."""
        return {"lengths": sorted(self.lengths.items()), "missing": self.missing}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls({int(length): int(count) for length, count in value["lengths"]}, value["missing"])


def parse_numbers(raw: pa.Array | pa.ChunkedArray, name: str, *, gaps: bool) -> tuple[pa.ListArray, Unparsable]:
    """[N] lists, texts or numbers -> [N] lists of float32.

    A value without numbers is missing; one with something else in it is unparsable, and missing. Numbers that are
    missing within a value (null, "nan") or infinite stay as null where `gaps` are allowed; else the value is
    unparsable.

    Raises:
        DataError: the type can't hold numbers (times, lists of lists).
    """
    array = one_chunk(raw)
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    texts = None
    if is_list(kind):
        lists = as_lists(array)
        offsets = np.concatenate([[0], np.cumsum(lengths(lists))])
        elements = lists.flatten()
        if _is_text(elements.type):
            elements = pc.utf8_trim_whitespace(elements.cast(pa.string()))
    elif _is_text(kind):
        texts = array.cast(pa.string())
        plain = pc.replace_substring_regex(pc.fill_null(texts, ""), _BETWEEN, " ")
        lists = pc.ascii_split_whitespace(pc.utf8_trim_whitespace(plain))
        offsets, elements = np.concatenate([[0], np.cumsum(lengths(lists))]), lists.flatten()
        # Splitting nothing gives one empty piece.
        if not pc.all(pc.greater(pc.binary_length(elements), 0), min_count=0).as_py():
            filled = pc.binary_length(elements).to_numpy() > 0
            offsets, elements = np.concatenate([[0], np.cumsum(filled)])[offsets], elements.filter(pa.array(filled))
    else:
        offsets, elements = np.arange(len(array) + 1), array
    values, bad = _floats(elements, name)
    unknown = np.isnan(values)
    wrong = bad if gaps else bad | unknown
    sizes = np.diff(offsets)
    wrong_rows = np.zeros(len(sizes), bool)
    wrong_rows[np.repeat(np.arange(len(sizes)), sizes)[wrong]] = True
    if not is_list(kind) and texts is None:  # a number that is missing is a value that is missing
        wrong_rows = np.zeros(len(sizes), bool)
        empty = unknown
    else:
        empty = sizes == 0
    numbers = pa.array(values, mask=unknown) if unknown.any() else pa.array(values)
    result = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers, mask=pa.array(wrong_rows | empty))
    shown = array.filter(pa.array(wrong_rows)).slice(0, 5).to_pylist()
    return result, Unparsable(int(wrong_rows.sum()), tuple(_short(value) for value in shown))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _floats(elements: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """[M] of a simple type -> [M] float32, NaN where there is no finite number; [M] bool, true where it is nonsense."""
    kind = elements.type
    bad = np.zeros(len(elements), bool)
    if _is_text(kind):
        fine = pc.fill_null(pc.match_substring_regex(elements, _NUMBER), False)
        if not pc.all(fine, min_count=0).as_py():
            known = pc.or_(fine, pc.fill_null(pc.is_in(pc.utf8_lower(elements), _GAPS), True))
            bad = ~known.to_numpy(zero_copy_only=False)
            elements = pc.if_else(fine, elements, pa.scalar(None, pa.string()))
        numbers = elements.cast(pa.float32())
    elif pt.is_floating(kind) or pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind):
        numbers = elements.cast(pa.float32(), safe=False)
    elif pt.is_boolean(kind):
        numbers = elements.cast(pa.int8()).cast(pa.float32())
    else:
        raise DataError(Problem(name, f"holds values of type {kind}", "lists of numbers, or text with numbers"))
    values = np.array(numbers.to_numpy(zero_copy_only=False), np.float32)
    values[~np.isfinite(values)] = np.nan
    return values, bad


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
