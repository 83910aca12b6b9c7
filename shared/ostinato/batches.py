"""Any data set as a stream of Arrow batches: files by URI, tables and frames in memory.

`open_source(dataset)` takes a file, a pattern or a folder (local, s3://, http(s)://, …), an Arrow table, a pandas or
polars DataFrame, a dict of lists or a list of dicts.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem, did_you_mean, listing

BATCH_ROWS = 65536


class Source(ABC):
    """A data set that can be read any number of times."""

    uri: str
    """Where it is; `memory` for what has no address."""

    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of the columns, in order.

        Raises:
            DataError: the data can't be read, or a name stands twice.
        """

    @abstractmethod
    def digest(self) -> str:
        """A digest of the content: the same bytes under another name give the same."""

    @abstractmethod
    def _read(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]: ...

    def batches(
        self, columns: Sequence[str] | None = None, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows, in order.

        Args:
            columns: the columns to read, in the order wanted; None for all.
            types: types at which text formats should aim. A column with a value that does not convert comes as string.

        Raises:
            DataError: a column is missing, or the data can't be read.
        """
        names = self.column_names()
        wanted = names if columns is None else list(columns)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DataError(
                Problem(self.uri, f"there is no column '{name}'", listing(names), did_you_mean(name, names))
                for name in missing
            )
        return self._read(wanted, types or {})


class TableSource(Source):
    """A table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self.uri = "memory"
        self.table = table

    def column_names(self) -> list[str]:
        """The names of the columns."""
        names: list[str] = self.table.column_names
        refuse_duplicates(self.uri, names)
        return names

    def digest(self) -> str:
        """SHA-256 of the Arrow data, however they are cut into chunks."""
        sink = _HashingSink()
        table = self.table.combine_chunks().replace_schema_metadata()
        with pa.PythonFile(sink, mode="w") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH_ROWS)
        return sink.hasher.hexdigest()

    def _read(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        yield from self.table.select(columns).to_batches(max_chunksize=BATCH_ROWS)


class FileSource(Source):
    """One file or several of the same columns, read one after another."""

    def __init__(self, uri: str, data_format: str) -> None:
        from ostinato.readers import reader_of

        self.uri = uri
        self.files = storage.expand(uri)
        self.readers = [reader_of(file, data_format) for file in self.files]
        self._names: list[str] | None = None

    def column_names(self) -> list[str]:
        """The names of the columns; all files must have the same."""
        if self._names is None:
            names = self.readers[0].column_names()
            refuse_duplicates(self.files[0], names)
            for file, reader in zip(self.files[1:], self.readers[1:], strict=True):
                others = reader.column_names()
                if set(others) != set(names):
                    odd = sorted(set(others) ^ set(names))
                    raise DataError(Problem(file, f"its columns differ from those of {self.files[0]}: {listing(odd)}"))
            self._names = names
        return self._names

    def digest(self) -> str:
        """A digest of the content of all files, in the order of their names."""
        digests = [storage.digest(file) for file in self.files]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def _read(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        for reader in self.readers:
            yield from reader.batches(columns, types)


class _HashingSink:
    """A file that keeps nothing but the hash of what is written to it."""

    def __init__(self) -> None:
        self.hasher = hashlib.sha256()
        self.closed = False
        self.position = 0

    def write(self, data: Any) -> int:
        self.hasher.update(data)
        size = len(memoryview(data).cast("B"))
        self.position += size
        return size

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def refuse_duplicates(uri: str, names: Sequence[str]) -> None:
    """Raises DataError if a name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(Problem(uri, f"duplicate column names: {listing(twice)} stand twice or more"))


def open_source(dataset: object, data_format: str = "auto") -> Source:
    """The data set as a source of Arrow batches.

    Args:
        dataset: see the module's docstring; a `Source` is returned as it is.
        data_format: `auto` (by the ending), csv, tsv, parquet, json, jsonl, feather or arrow.

    Raises:
        DataError: there is no such file, or it is of no kind that can be read.
    """
    if isinstance(dataset, Source):
        return dataset
    if isinstance(dataset, str | os.PathLike):
        return FileSource(os.fspath(dataset), data_format)
    return TableSource(as_table(dataset))


def as_table(dataset: object) -> pa.Table:
    """An Arrow table of what is in memory."""
    if isinstance(dataset, pa.Table):
        return dataset
    if isinstance(dataset, pa.RecordBatch):
        return pa.Table.from_batches([dataset])
    if isinstance(dataset, Mapping):
        return _table_of({str(name): values for name, values in dataset.items()})
    # Frames are known by the name of their module, so that neither pandas nor polars is imported here.
    if type(dataset).__module__.startswith("pandas") and hasattr(dataset, "columns"):
        refuse_duplicates("the DataFrame", [str(name) for name in dataset.columns])
        return _table_of({str(name): dataset[name] for name in dataset.columns})
    if type(dataset).__module__.startswith("polars") and hasattr(dataset, "to_arrow"):
        table: pa.Table = dataset.to_arrow()
        return table
    if (
        isinstance(dataset, Sequence)
        and not isinstance(dataset, bytes)
        and all(isinstance(r, Mapping) for r in dataset)
    ):
        names = list(dict.fromkeys(str(name) for row in dataset for name in row))
        return _table_of({name: [row.get(name) for row in dataset] for name in names})
    kinds = "a path or URI, an Arrow table, a pandas or polars DataFrame, a dict of lists, a list of dicts"
    raise DataError(Problem("dataset", f"found a {type(dataset).__name__}", kinds))


def _table_of(columns: Mapping[str, Any]) -> pa.Table:
    return pa.table({name: _array_of(values) for name, values in columns.items()})


def _array_of(values: Any) -> pa.Array | pa.ChunkedArray:
    """An Arrow array; a column of mixed types comes as strings."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(
            [None if value is None or value != value else str(value) for value in values],  # noqa: PLR0124 (NaN)
            pa.string(),
        )
