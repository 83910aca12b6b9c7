"""Statistics of all columns of a source, in one pass, and a sample of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.batches import Source
from ostinato.labels import DICTIONARY, labels
from ostinato.resources import usable_cores
from ostinato.sample import row_hashes
from ostinato.statistics.column import NUMBERS, ColumnStats

_MOST_SAMPLED_CELLS = 2_000_000
_MOST_SAMPLED_ROWS = 10_000
_LONGEST_SAMPLED = 500
_TRIED_ROWS = 1000


@dataclass(frozen=True)
class TableStats:
    """Statistics of each column, by name in the order of the data, and some whole rows."""

    rows: int
    columns: dict[str, ColumnStats]
    sample: pa.Table
    """Rows with the lowest hash of their number, as text of 500 characters at most: all rows where there are few."""


def collect(source: Source, types: Mapping[str, pa.DataType] | None = None, most_rows: int | None = None) -> TableStats:
    """Statistics of a source.

    Args:
        source: is read once.
        types: at which text formats aim; columns without one are tried as numbers.
        most_rows: stop there; None reads all.

    Raises:
        DataError: the source can't be read.
    """
    names = source.column_names()
    stats = [ColumnStats() for _ in names]
    sampler = _Sampler(min(_MOST_SAMPLED_ROWS, _MOST_SAMPLED_CELLS // max(1, len(names))))
    rows = 0
    with ThreadPoolExecutor(usable_cores()) as pool:
        for batch in source.batches(names, {**_wishes(source, names), **(types or {})}):
            piece = batch if most_rows is None else batch.slice(0, most_rows - rows)
            found = pool.map(ColumnStats.of, piece.columns, [rows] * len(names))
            stats = [one.merge(other) for one, other in zip(stats, found, strict=True)]
            sampler.add(piece, rows)
            rows += piece.num_rows
            if rows == most_rows:
                break
    return TableStats(rows, dict(zip(names, stats, strict=True)), sampler.table(names))


def _wishes(source: Source, names: list[str]) -> dict[str, pa.DataType]:
    """For columns of text: float64 where the first values are numbers, which a reader converts faster than we parse."""
    first = next(source.batches(names), None)
    if first is None:
        return {}
    found = {}
    for name, column in zip(names, first.slice(0, _TRIED_ROWS).columns, strict=True):
        if pt.is_string(column.type):
            numbers, unparsable = NUMBERS.parse(column)
            is_number = not unparsable.count and numbers.null_count < len(numbers)
            found[name] = pa.float64() if is_number else DICTIONARY
    return found


class _Sampler:
    """Rows with the lowest hashes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.hashes = np.empty(0, np.uint64)
        self.rows = np.empty(0, np.int64)
        self.parts: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch, start: int) -> None:
        """Looks at the rows of a batch whose first has the number `start`."""
        numbers = np.arange(start, start + batch.num_rows)
        hashes = row_hashes(1, numbers)
        places = np.flatnonzero(hashes < self.hashes.max()) if len(self.hashes) == self.size else np.arange(len(hashes))
        if len(places) > self.size:
            places = np.sort(places[np.argpartition(hashes[places], self.size)[: self.size]])
        if not len(places):
            return
        self.parts.append(_as_texts(batch if len(places) == batch.num_rows else batch.take(pa.array(places))))
        all_hashes = np.concatenate([self.hashes, hashes[places]])
        all_rows = np.concatenate([self.rows, numbers[places]])
        if len(all_hashes) > self.size:
            kept = np.sort(np.argpartition(all_hashes, self.size)[: self.size])
            table = pa.Table.from_batches(self.parts).take(pa.array(kept)).combine_chunks()
            self.parts = table.to_batches()
            all_hashes, all_rows = all_hashes[kept], all_rows[kept]
        self.hashes, self.rows = all_hashes, all_rows

    def table(self, names: list[str]) -> pa.Table:
        """The rows, in the order of the data."""
        if not self.parts:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return pa.Table.from_batches(self.parts).combine_chunks()


def _as_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """All columns as text; what has none (lists, bytes) is null."""
    arrays = []
    for column in batch.columns:
        kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
        plain = not (
            pt.is_nested(kind) or pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind)
        )
        texts = labels(column, "").cast(pa.string()) if plain else pa.nulls(len(column), pa.string())
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > _LONGEST_SAMPLED:
            texts = pc.utf8_slice_codeunits(texts, 0, _LONGEST_SAMPLED)
        arrays.append(texts)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
