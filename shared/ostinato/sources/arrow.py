"""Formats that hold Arrow types: Parquet, Arrow IPC (file and stream, Feather), ORC."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem
from ostinato.sources.file import Check, Format
from ostinato.sources.source import BATCH_ROWS, Types
from ostinato.storage import RemoteFile, StoredFile

_MOST_CELLS = 8 << 20
"""Values of a batch of a wide table."""
_MOST_BYTES = 128 << 20
"""Bytes of a batch of long texts, without compression."""
_RUN_BYTES = 64 << 20
"""Row groups are read together up to this size, without compression."""
_LARGE_BYTES = 256 << 20
"""Row groups above this size are not held in memory: each column is read on in small pieces."""
_MOST_GROUP_BYTES = 8 << 30
_PIECE_BYTES = 4 << 20


@contextlib.contextmanager
def opened_arrow(file: StoredFile, kind: str) -> Iterator[tuple[Any, RemoteFile | None]]:
    """An Arrow file that can be read in any order, and the remote file below it, if that is where it is.

    Raises:
        DataError: it can't be read, or is not of that kind.
    """
    uri = file.uri
    with storage.explained(uri):
        try:
            if storage.is_local(uri):
                with storage.open_file(uri):  # says what is wrong with the path
                    pass
                with pa.OSFile(storage.local_path(uri)) as native:
                    yield _not_empty(uri, native), None
            else:
                with (
                    storage.open_seekable(uri, version=file.version) as stream,
                    pa.PythonFile(stream, mode="r") as native,
                ):
                    yield _not_empty(uri, native), stream if isinstance(stream, RemoteFile) else None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _unreadable(uri, kind, error) from error
        except OSError as error:
            if type(error) is OSError and error.errno is None:  # Arrow's own, of broken content
                raise _unreadable(uri, kind, error) from error
            raise


def _unreadable(uri: str, kind: str, error: Exception) -> DataError:
    hint = "is it whole? Its end is missing, or it is of another format" if "magic bytes" in str(error) else ""
    return DataError(Problem(uri, f"can't be read as {kind}: {error}", hint=hint))


def _not_empty(file: str, native: Any) -> Any:
    if native.size() == 0:
        raise DataError(Problem(file, "the file is empty"))
    return native


def _batch_rows(columns: Sequence[str], metadata: Any = None) -> int:
    """Rows of a batch: fewer where rows are wide or, as far as a Parquet file tells, long."""
    rows = min(BATCH_ROWS, _MOST_CELLS // max(1, len(columns)))
    if metadata is not None and metadata.num_rows:
        groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
        row_bytes = sum(group.total_byte_size for group in groups) / metadata.num_rows
        rows = min(rows, int(_MOST_BYTES / max(row_bytes, 1.0)))
    return max(1, rows)


class Parquet(Format):
    """Parquet, some row groups at a time."""

    def names(self, file: StoredFile) -> list[str]:
        """The names of the columns."""
        import pyarrow.parquet as pq

        with opened_arrow(file, "Parquet") as (native, _):
            names: list[str] = pq.read_schema(native).names
            return names

    def read(
        self,
        file: StoredFile,
        columns: Sequence[str],
        types: Types,
        check: Check,
        numbers: Sequence[int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in their own types, of some row groups or of all; text whose wished type is a dictionary is one."""
        import pyarrow.parquet as pq

        as_dictionary = [name for name in columns if name in types and pa.types.is_dictionary(types[name])]
        with opened_arrow(file, "Parquet") as (native, remote):
            groups = RowGroups(file.uri, pq.read_metadata(native), columns, numbers)
            options = {"read_dictionary": as_dictionary, "metadata": groups.metadata}
            # Without pre_buffer: it would keep all that was read until the end.
            with pq.ParquetFile(native, pre_buffer=False, buffer_size=groups.buffer_bytes, **options) as opened:
                check(opened.schema_arrow.names)
                batch_rows = _batch_rows(columns, groups.metadata)
                for run in groups.fetched(remote):
                    for batch in opened.iter_batches(batch_rows, row_groups=run, columns=list(columns)):
                        if batch.num_rows:
                            yield batch.select(columns)


class RowGroups:
    """How the row groups of a Parquet file are read."""

    def __init__(self, uri: str, metadata: Any, columns: Sequence[str], numbers: Sequence[int] | None = None) -> None:
        """Refuses row groups that are too large to be read.

        Raises:
            DataError: one is.
        """
        self.metadata = metadata
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        starts = tuple(f"{name}." for name in columns)
        self._wanted = [n for n, path in enumerate(paths) if path in columns or path.startswith(starts)]
        numbers = range(metadata.num_row_groups) if numbers is None else numbers
        sizes = {number: metadata.row_group(number).total_byte_size for number in numbers}
        for number, size in sizes.items():
            if size > _MOST_GROUP_BYTES:
                self._refuse(uri, number)
        self.buffer_bytes = _PIECE_BYTES if max(sizes.values(), default=0) > _LARGE_BYTES else 0
        self._runs: list[list[int]] = []
        held = 0
        for number, size in sizes.items():
            held = held + size if self._runs and held + size <= _RUN_BYTES else size
            if held == size or not self._runs:
                self._runs.append([])
            self._runs[-1].append(number)

    def fetched(self, remote: RemoteFile | None) -> Iterator[list[int]]:
        """Numbers of row groups to be read together; of a remote file, the next ones are fetched meanwhile."""
        if remote is None or self.buffer_bytes:
            yield from self._runs
            return
        for place, run in enumerate(self._runs):
            remote.forget(self._ranges(run)[0][0])
            for ahead in self._runs[place : place + 2] if place == 0 else self._runs[place + 1 : place + 2]:
                remote.preload(self._ranges(ahead))
            yield run

    def _ranges(self, run: Sequence[int]) -> list[tuple[int, int]]:
        """Where the wanted columns of row groups lie in the file."""
        chunks = [self.metadata.row_group(number).column(column) for number in run for column in self._wanted]
        starts = [
            min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset) for chunk in chunks
        ]
        return sorted((start, start + chunk.total_compressed_size) for start, chunk in zip(starts, chunks, strict=True))

    def _refuse(self, uri: str, number: int) -> None:
        group = self.metadata.row_group(number)
        chunks = [group.column(column) for column in self._wanted]
        size = sum(max(chunk.total_uncompressed_size, chunk.total_compressed_size) for chunk in chunks)
        if size > _MOST_GROUP_BYTES:
            message = f"row group {number} has {size / 1e9:,.0f} GB in the {len(chunks)} columns that are to be read"
            hint = (
                "write it again with smaller row groups (pyarrow.parquet.write_table(…, row_group_size=1_000_000), "
                "parquet.block.size of Spark), or leave out columns"
            )
            raise DataError(Problem(uri, message, f"at most {_MOST_GROUP_BYTES / 1e9:,.0f} GB a row group", hint))


class ArrowIPC(Format):
    """Arrow IPC: files (Feather 2) and streams."""

    def names(self, file: StoredFile) -> list[str]:
        """The names of the columns."""
        with opened_arrow(file, "Arrow") as (native, _), _reader(native) as (schema, _):
            names: list[str] = schema.names
            return names

    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows in their own types."""
        with opened_arrow(file, "Arrow") as (native, _), _reader(native) as (schema, batches):
            check(schema.names)
            for batch in batches:
                if batch.num_rows:
                    yield batch.select(columns)


@contextlib.contextmanager
def _reader(native: Any) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Schema and batches of a file or a stream."""
    magic = native.read(6)
    native.seek(0)
    if magic.startswith(b"FEA1"):
        raise pa.ArrowInvalid("Feather version 1; write it again with pyarrow.feather.write_feather")
    if magic == b"ARROW1":
        with pa.ipc.open_file(native) as file:
            yield file.schema, (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        with pa.ipc.open_stream(native) as stream:
            yield stream.schema, iter(stream)


class ORC(Format):
    """ORC, stripe after stripe."""

    def names(self, file: StoredFile) -> list[str]:
        """The names of the columns."""
        with opened_arrow(file, "ORC") as (native, _):
            names: list[str] = _orc(native).schema.names
            return names

    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows in their own types."""
        with opened_arrow(file, "ORC") as (native, _):
            opened = _orc(native)
            check(opened.schema.names)
            for number in range(opened.nstripes):
                stripe = opened.read_stripe(number, columns=list(columns))
                for batch in pa.Table.from_batches([stripe]).select(columns).to_batches(_batch_rows(columns)):
                    if batch.num_rows:
                        yield batch


def _orc(native: Any) -> Any:
    import pyarrow.orc

    return pyarrow.orc.ORCFile(native)
