"""Data in files: one file or several of the same columns, in one format."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem, listing
from ostinato.sources.source import Source, Types, refuse_duplicates


class Format(ABC):
    """How files of one kind are read."""

    @abstractmethod
    def names(self, file: str) -> list[str]:
        """The names of the columns, in order.

        Raises:
            DataError: the file can't be read.
        """

    @abstractmethod
    def read(self, file: str, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows, these columns in this order.

        Raises:
            DataError: the file can't be read.
        """


class FileSource(Source):
    """One file or several of the same columns, read one after another."""

    def __init__(self, uri: str, files: Sequence[str], file_format: Format) -> None:
        self.uri, self.files, self.format = uri, list(files), file_format
        self._names: list[str] | None = None

    def column_names(self) -> list[str]:
        """The names of the first file's columns; `read` finds out whether the others have the same."""
        if self._names is None:
            names = self.format.names(self.files[0])
            refuse_duplicates(self.files[0], names)
            self._names = names
        return self._names

    def digest(self) -> str:
        """A digest of the content of all files, in the order of their names."""
        digests = [storage.digest(file) for file in self.files]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def read(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows of all files, in the order of their names.

        Raises:
            DataError: a file has other columns than the first.
        """
        for number, file in enumerate(self.files):
            if number:
                self.check_same(file)
            yield from self.format.read(file, columns, types)

    def check_same(self, file: str) -> None:
        """Raises DataError where a file has other columns than the first."""
        names, first = self.format.names(file), self.column_names()
        refuse_duplicates(file, names)
        spare, missing = sorted(set(names) - set(first)), sorted(set(first) - set(names))
        if spare or missing:
            differences = [f"{what} {listing(found)}" for what, found in (("lacks", missing), ("adds", spare)) if found]
            raise DataError(
                Problem(file, f"has other columns than {self.files[0]}: {'; '.join(differences)}", "the same columns")
            )


@contextlib.contextmanager
def opened_text(file: str) -> Iterator[IO[bytes]]:
    """A text file from its beginning, decompressed where its name ends in .gz.

    Raises:
        DataError: it can't be read, or is no whole gzip file.
    """
    with storage.open_file(file) as stream, storage.explained(file):
        if not file.partition("?")[0].endswith(".gz"):
            yield stream
            return
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked  # type: ignore[misc]  # it reads like any other
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(Problem(file, f"is no whole gzip file: {error}")) from error
