"""Formats that hold Arrow types: Parquet, Arrow IPC (file and stream, Feather), ORC."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem
from ostinato.sources.file import Format
from ostinato.sources.source import BATCH_ROWS, Types

_MOST_CELLS = 8 << 20
"""Values of a batch of a wide table."""
_MOST_BYTES = 128 << 20
"""Bytes of a batch of long texts, without compression."""


@contextlib.contextmanager
def _opened(file: str, kind: str) -> Iterator[Any]:
    """An Arrow file that can be read in any order.

    Raises:
        DataError: it can't be read, or is not of that kind.
    """
    with storage.explained(file):
        try:
            if storage.is_local(file):
                with storage.open_file(file):  # says what is wrong with the path
                    pass
                with pa.OSFile(storage.local_path(file)) as native:
                    yield _not_empty(file, native)
            else:
                with storage.open_seekable(file) as stream, pa.PythonFile(stream, mode="r") as native:
                    yield _not_empty(file, native)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(Problem(file, f"can't be read as {kind}: {error}")) from error
        except OSError as error:
            if type(error) is OSError and error.errno is None:  # Arrow's own, of broken content
                raise DataError(Problem(file, f"can't be read as {kind}: {error}")) from error
            raise


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
    """Parquet, row group after row group."""

    def names(self, file: str) -> list[str]:
        """The names of the columns."""
        import pyarrow.parquet as pq

        with _opened(file, "Parquet") as native:
            names: list[str] = pq.read_schema(native).names
            return names

    def read(
        self, file: str, columns: Sequence[str], types: Types, groups: Sequence[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in their own types, of some row groups or of all; text whose wished type is a dictionary is one."""
        import pyarrow.parquet as pq

        as_dictionary = [name for name in columns if name in types and pa.types.is_dictionary(types[name])]
        with (
            _opened(file, "Parquet") as native,
            pq.ParquetFile(native, read_dictionary=as_dictionary, pre_buffer=True) as opened,
        ):
            for batch in opened.iter_batches(_batch_rows(columns, opened.metadata), groups, columns=list(columns)):
                if batch.num_rows:
                    yield batch.select(columns)


class ArrowIPC(Format):
    """Arrow IPC: files (Feather 2) and streams."""

    def names(self, file: str) -> list[str]:
        """The names of the columns."""
        with _opened(file, "Arrow") as native, _reader(native) as (schema, _):
            names: list[str] = schema.names
            return names

    def read(self, file: str, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows in their own types."""
        with _opened(file, "Arrow") as native, _reader(native) as (_, batches):
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

    def names(self, file: str) -> list[str]:
        """The names of the columns."""
        with _opened(file, "ORC") as native:
            names: list[str] = _orc(native).schema.names
            return names

    def read(self, file: str, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows in their own types."""
        with _opened(file, "ORC") as native:
            opened = _orc(native)
            for number in range(opened.nstripes):
                stripe = opened.read_stripe(number, columns=list(columns))
                for batch in pa.Table.from_batches([stripe]).select(columns).to_batches(_batch_rows(columns)):
                    if batch.num_rows:
                        yield batch


def _orc(native: Any) -> Any:
    import pyarrow.orc

    return pyarrow.orc.ORCFile(native)
