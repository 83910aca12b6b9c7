"""Cutting files into stretches that can be read on their own: bytes of text at ends of records, row groups of Parquet.

What can't be cut (compressed text, a JSON array, Arrow, ORC, what is on the web) is one stretch a file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem
from ostinato.sources.arrow import Parquet, opened_arrow
from ostinato.sources.blocks import BLOCK_BYTES, Block, Cut, TooLong, blocks, csv_cut, cut_lines, in_order
from ostinato.sources.delimited import Delimited, _BlockReader, _Chained
from ostinato.sources.file import FileSource, Format, gathered, opened_text, unchanged
from ostinato.sources.json_lines import JSON, JSONLines, _batch
from ostinato.sources.source import Types
from ostinato.spec import NonNegativeInt, PositiveInt, Spec
from ostinato.storage import StoredFile


class Stretch(Spec):
    """A part of a file."""

    file: str
    """URI."""
    start: NonNegativeInt = 0
    """First byte of text, first row group of Parquet."""
    stop: NonNegativeInt | None = None
    """The byte or row group behind the last; null for all of a file that can't be cut."""
    first_line: PositiveInt = 1
    """Number of the first line of text, for messages."""


@dataclass(frozen=True)
class Piece:
    """A stretch as small as they come."""

    stretch: Stretch
    rows: int
    begins: float
    """Share of all bytes that lies before it, in [0, 1)."""


class StretchSource(FileSource):
    """Some stretches of a data set, as a data set."""

    def __init__(self, whole: FileSource, stretches: Sequence[Stretch]) -> None:
        super().__init__(whole.uri, whole.stored, whole.format)
        self.stretches = stretches

    def read(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows of all stretches, in their order.

        Raises:
            DataError: a file has other columns than the first of the whole data set.
        """
        files = {file.uri: file for file in self.stored}
        return gathered(
            batch for stretch in self.stretches for batch in _read(self, files[stretch.file], stretch, columns, types)
        )


def joined(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The same with neighbours made one."""
    result: list[Stretch] = []
    for stretch in stretches:
        if result and (result[-1].file, result[-1].stop) == (stretch.file, stretch.start) and stretch.start:
            result[-1] = result[-1].model_copy(update={"stop": stretch.stop})
        else:
            result.append(stretch)
    return tuple(result)


def pieces(source: FileSource, at_least: int) -> Iterator[Piece]:
    """All rows of a data set as pieces, in order; text is read once, of Parquet only the metadata.

    `at_least` is how many pieces there should be, if the data can be cut so fine.

    Raises:
        DataError: the data can't be read.
    """
    column = source.column_names()[0]
    sizes = [file.size or 1 for file in source.stored]  # not all of the web says how large it is
    total = max(1, sum(sizes))
    block_bytes = max(1, min(BLOCK_BYTES, total // at_least))
    before = 0
    for file, size in zip(source.stored, sizes, strict=True):
        with unchanged(file):
            for stretch, rows, share in _cut(source, file, size, column, block_bytes):
                yield Piece(stretch, rows, (before + share * size) / total)
        before += size


def _cut(
    source: FileSource, file: StoredFile, size: int, column: str, block_bytes: int
) -> Iterator[tuple[Stretch, int, float]]:
    """Stretches of a file, their rows, and the share of the file before each."""
    if isinstance(source.format, Parquet):
        import pyarrow.parquet as pq

        with opened_arrow(file, "Parquet") as (native, _):
            metadata = pq.read_metadata(native)
        source.check_same(file, metadata.schema.to_arrow_schema().names)
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            yield Stretch(file=file.uri, start=group, stop=group + 1), rows, group / metadata.num_row_groups
    elif _is_seekable_text(source.format, file.uri):
        source.check_same(file, source.format.names(file))
        with opened_text(file) as stream, _explained(file.uri):
            text = _text(source.format, file.uri, stream, [column], {})
            position = text.start
            rest = blocks(_Chained(text.head, stream), text.cut, text.first_line, block_bytes)  # type: ignore[arg-type]
            for block, rows in in_order(lambda block: (block, text.read(block).num_rows), rest):
                stop = position + len(block.data)
                stretch = Stretch(file=file.uri, start=position, stop=stop, first_line=block.first_line)
                yield stretch, rows, position / max(1, size)
                position = stop
    else:
        batches = source.format.read(file, [column], {}, partial(source.check_same, file))
        yield Stretch(file=file.uri), sum(batch.num_rows for batch in batches), 0.0


def _read(
    source: FileSource, file: StoredFile, stretch: Stretch, columns: Sequence[str], types: Types
) -> Iterator[pa.RecordBatch]:
    """The rows of a stretch, as the format gives them."""
    check = partial(source.check_same, file)
    with unchanged(file):
        if stretch.stop is None:
            yield from source.format.read(file, columns, types, check)
        elif isinstance(source.format, Parquet):
            yield from source.format.read(file, columns, types, check, range(stretch.start, stretch.stop))
        else:
            yield from _read_text(source, file, stretch, columns, types)


def _read_text(
    source: FileSource, file: StoredFile, stretch: Stretch, columns: Sequence[str], types: Types
) -> Iterator[pa.RecordBatch]:
    assert stretch.stop is not None, "a stretch of text that was cut"
    source.check_same(file, source.format.names(file))
    with opened_text(file) as stream, _explained(file.uri):
        text = _text(source.format, file.uri, stream, columns, types)
        stream.seek(stretch.start)
        records = blocks(_Bounded(stream, stretch.stop - stretch.start), text.cut, stretch.first_line)  # type: ignore[arg-type]
        for batch in in_order(text.read, records):
            if batch.num_rows:
                yield batch


def _is_seekable_text(file_format: Format, file: str) -> bool:
    is_text = isinstance(file_format, Delimited | JSONLines) and not isinstance(file_format, JSON)
    return is_text and not storage.is_http(file) and not file.endswith(".gz")


@dataclass(frozen=True)
class _Text:
    """How the records of a file of text are read."""

    head: bytes
    """What was read of the first records on the way."""
    start: int
    """Bytes before the first record."""
    first_line: int
    """Number of its line."""
    cut: Cut
    read: Callable[[Block], pa.RecordBatch]


def _text(file_format: Format, file: str, stream: IO[bytes], columns: Sequence[str], types: Types) -> _Text:
    if isinstance(file_format, Delimited):
        layout, head = file_format._layout(file, stream)
        read = _BlockReader(file, layout, columns, types).read
        return _Text(head[layout.start :], layout.start, layout.lines + 1, csv_cut(layout.delimiter), read)
    wished = pa.schema([(name, types[name]) for name in columns if name in types])
    return _Text(b"", 0, 1, cut_lines, lambda block: _batch(file, block, columns, wished))


class _Bounded:
    """The next bytes of a stream, and no more."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self.stream, self.left = stream, length

    def read(self, size: int) -> bytes:
        piece = self.stream.read(min(size, self.left))
        self.left -= len(piece)
        return piece


@contextlib.contextmanager
def _explained(file: str) -> Iterator[None]:
    """Says what is wrong with storage, and with a record without an end."""
    with storage.explained(file):
        try:
            yield
        except TooLong as error:
            raise DataError(Problem(file, "a record has over 1 GB: is a quote opened and never closed?")) from error
