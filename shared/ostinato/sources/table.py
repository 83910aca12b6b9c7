"""Data in memory: Arrow tables and whatever becomes one. Neither pandas nor polars is imported here."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from ostinato.errors import DataError, Problem
from ostinato.sources.source import BATCH_ROWS, Source, Types, refuse_duplicates


class TableSource(Source):
    """A table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self.uri = "memory"
        self.table = table

    def column_names(self) -> list[str]:
        """The names of the columns."""
        names: list[str] = self.table.column_names
        refuse_duplicates("the table", names)
        return names

    def digest(self) -> str:
        """SHA-256 of names, types and values, however they are cut into chunks."""
        hasher = hashlib.sha256(str(self.table.num_rows).encode())
        for field in self.table.schema:
            column = self.table.column(field.name)
            kind = field.type
            if pa.types.is_dictionary(kind):  # the order of a dictionary says nothing
                kind = kind.value_type
            hasher.update(f"{field.name!r} {kind}".encode())
            for start in range(0, len(column), BATCH_ROWS):
                self._hash(hasher, column.slice(start, BATCH_ROWS).cast(kind))
        return hasher.hexdigest()

    @staticmethod
    def _hash(hasher: Any, column: pa.ChunkedArray) -> None:
        """Where nulls are, and the values that are none: what lies below a null is undefined."""
        hasher.update(column.is_null().combine_chunks().to_numpy(zero_copy_only=False))
        values = column.drop_null().combine_chunks()
        # Serializing cuts the buffers of slices to what they hold.
        hasher.update(pa.record_batch([values], names=["values"]).serialize())

    def read(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows, in their own types."""
        for batch in self.table.select(columns).to_batches(max_chunksize=BATCH_ROWS):
            if batch.num_rows:
                yield batch


@runtime_checkable
class ArrowStream(Protocol):
    """What hands out Arrow data itself: polars, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule, as the Arrow PyCapsule interface says."""


def as_table(dataset: object) -> pa.Table:
    """An Arrow table of what is in memory.

    Raises:
        DataError: it is nothing that has columns; names stand twice; columns differ in length.
    """
    if isinstance(dataset, pa.Table):
        return dataset
    if isinstance(dataset, pa.RecordBatch):
        return pa.Table.from_batches([dataset])
    if isinstance(dataset, Mapping):
        return table_of_columns({str(name): values for name, values in dataset.items()})
    if _is_pandas(dataset):
        names = [str(name) for name in dataset.columns]  # type: ignore[attr-defined]
        refuse_duplicates("the DataFrame", names)
        series = [dataset[name] for name in dataset.columns]  # type: ignore[attr-defined, index]
        return table_of_columns(dict(zip(names, series, strict=True)))
    if isinstance(dataset, ArrowStream):
        return pa.table(dataset)
    if isinstance(dataset, Sequence) and dataset and all(isinstance(row, Mapping) for row in dataset):
        return table_of_rows(dataset)
    kinds = "a path or URI, an Arrow table, a pandas or polars DataFrame, a dict of lists, a list of dicts"
    found = f"an empty {type(dataset).__name__}" if dataset in ([], ()) else f"a {type(dataset).__name__}"
    raise DataError(Problem("dataset", f"found {found}", kinds))


def _is_pandas(dataset: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(dataset, pandas.DataFrame)


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of dicts; what a row lacks is missing there."""
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return table_of_columns({name: [row.get(name) for row in rows] for name in names})


def table_of_columns(columns: Mapping[str, Any]) -> pa.Table:
    """A table of lists, arrays or series; a column of mixed types comes as text.

    Raises:
        DataError: the columns differ in length.
    """
    arrays = {name: _array_of(name, values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            Problem(f"column '{name}'", f"has {length:,} values", "as many in all columns")
            for name, length in lengths.items()
        )
    return pa.table(arrays)


def _array_of(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, str | bytes):
        raise DataError(Problem(f"column '{name}'", "is one text", "a list of values"))
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array(
            [None if value is None or value != value else str(value) for value in values],  # noqa: PLR0124  # NaN
            pa.string(),
        )
    except TypeError as error:
        raise DataError(Problem(f"column '{name}'", f"is a {type(values).__name__}", "a list of values")) from error
