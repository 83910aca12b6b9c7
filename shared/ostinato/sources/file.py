"""Data in files: one file or several of the same columns, in one format."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import IO

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem, listing, shown
from ostinato.sources.blocks import in_order
from ostinato.sources.source import BATCH_ROWS, Source, Types, refuse_duplicates
from ostinato.storage import StoredFile

Check = Callable[[list[str]], None]
"""Raises DataError where the names of a file's columns are not those that are wanted."""

_SMALL_BYTES = 4 << 20
"""Remote files up to this size are read several at once: what they cost is the time of a request."""
_SMALL_AT_ONCE = 16
_GATHERED_BYTES = 64 << 20


class Format(ABC):
    """How files of one kind are read."""

    @abstractmethod
    def names(self, file: StoredFile) -> list[str]:
        """The names of the columns, in order.

        Raises:
            DataError: the file can't be read.
        """

    @abstractmethod
    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows, these columns in this order; the names of the file's columns are checked before the first.

        Raises:
            DataError: the file can't be read.
        """


class FileSource(Source):
    """One file or several of the same columns, read one after another.

    A file that is not as it was when the source was made is an error: what was learned of it would be of another file.
    """

    def __init__(self, uri: str, files: Sequence[StoredFile], file_format: Format) -> None:
        self.uri, self.format = shown(uri), file_format
        self.stored = list(files)
        self._names: list[str] | None = None

    @property
    def files(self) -> list[str]:
        """URIs of the files."""
        return [file.uri for file in self.stored]

    def column_names(self) -> list[str]:
        """The names of the first file's columns; `read` finds out whether the others have the same."""
        if self._names is None:
            with unchanged(self.stored[0]):
                names = self.format.names(self.stored[0])
            refuse_duplicates(self.stored[0].uri, names)
            self._names = names
        return self._names

    def digest(self) -> str:
        """A digest of the content of all files, in the order of their names."""
        digests = [storage.digest_of(file) for file in self.stored]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def read(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows of all files, in the order of their names.

        Raises:
            DataError: a file has other columns than the first, or has changed.
        """
        if len(self.stored) == 1:
            return self._read(self.stored[0], columns, types)
        return gathered(self._read_all(columns, types))

    def _read_all(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        def ahead(file: StoredFile) -> list[pa.RecordBatch] | None:
            return list(self._read(file, columns, types)) if _is_small_and_remote(file) else None

        self.column_names()  # once, before threads ask for it
        remote = not storage.is_local(self.stored[0].uri)
        some = in_order(ahead, self.stored, _SMALL_AT_ONCE, _SMALL_AT_ONCE) if remote else repeat(None)
        for file, batches in zip(self.stored, some, strict=False):
            yield from self._read(file, columns, types) if batches is None else batches

    def _read(self, file: StoredFile, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows of one file, which is the same at the end as when it was listed."""
        with unchanged(file):
            yield from self.format.read(file, columns, types, lambda names: self.check_same(file, names))

    def check_same(self, file: StoredFile, names: list[str]) -> None:
        """Raises DataError where the names of a file's columns are not those of the first."""
        first = self.column_names()
        if names == first:
            return
        refuse_duplicates(file.uri, names)
        spare, missing = sorted(set(names) - set(first)), sorted(set(first) - set(names))
        if spare or missing:
            differences = [f"{what} {listing(found)}" for what, found in (("lacks", missing), ("adds", spare)) if found]
            message = f"has other columns than {self.stored[0].uri}: {'; '.join(differences)}"
            raise DataError(Problem(file.uri, message, "the same columns"))


@contextlib.contextmanager
def unchanged(file: StoredFile) -> Iterator[None]:
    """Raises DataError where the file is not the one that was listed; if that made reading fail, it is what is told."""
    try:
        yield
    except DataError:
        storage.check_unchanged(file)
        raise
    if not storage.is_s3(file.uri):  # every request to S3 has named the version
        storage.check_unchanged(file)


def _is_small_and_remote(file: StoredFile) -> bool:
    return not storage.is_local(file.uri) and file.size is not None and file.size <= _SMALL_BYTES


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, small batches of one schema together: many small files shall not be many small batches."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if waiting and (rows > BATCH_ROWS or size > _GATHERED_BYTES or waiting[0].schema != batch.schema):
            yield _together(waiting)
            waiting, rows, size = [], batch.num_rows, batch.nbytes
        waiting.append(batch)
    if waiting:
        yield _together(waiting)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()[0]


@contextlib.contextmanager
def opened_text(file: StoredFile) -> Iterator[IO[bytes]]:
    """A text file from its beginning, decompressed where its name ends in .gz.

    Raises:
        DataError: it can't be read, or is no whole gzip file.
    """
    uri = file.uri
    with storage.open_file(uri, version=file.version) as stream, storage.explained(uri):
        if not uri.partition("?")[0].endswith(".gz"):
            yield stream
            return
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked  # type: ignore[misc]  # it reads like any other
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(Problem(uri, f"is no whole gzip file: {error}")) from error
