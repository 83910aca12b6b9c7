"""What every data set is to its readers: names of columns, a digest, and a stream of Arrow batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ostinato.errors import DataError, Problem, did_you_mean, listing

BATCH_ROWS = 65536
"""Most rows of a batch, where the format leaves the choice."""

Types = Mapping[str, pa.DataType]


class Source(ABC):
    """A data set that can be read any number of times."""

    uri: str
    """Where it is; `memory` for what has no address."""

    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of the columns, in order; no name stands twice.

        Raises:
            DataError: the data can't be read, or names stand twice.
        """

    @abstractmethod
    def digest(self) -> str:
        """A digest of the content: the same content under another name gives the same."""

    @abstractmethod
    def read(self, columns: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
        """The rows of columns that exist; see `batches`."""

    def batches(self, columns: Sequence[str] | None = None, types: Types | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches that are not empty; nothing where there are no rows.

        Args:
            columns: the columns to read, in the order wanted; None for all.
            types: types at which text formats aim; other columns of CSV come as string. A batch with a value that
                does not convert has that column as string, so the type may differ between batches.

        Raises:
            DataError: columns are missing (names all of them), or the data can't be read.
        """
        names = self.column_names()
        wanted = names if columns is None else list(dict.fromkeys(columns))
        check_present(self.uri, wanted, names)
        return self.read(wanted, types or {})


def check_present(where: str, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raises DataError for each wanted column that is not there."""
    known = set(names)
    missing = [name for name in wanted if name not in known]
    if missing:
        allowed = listing(names)
        raise DataError(
            Problem(where, f"there is no column '{name}'", allowed if number == 0 else "", did_you_mean(name, names))
            for number, name in enumerate(missing)
        )


def refuse_duplicates(where: str, names: Sequence[str]) -> None:
    """Raises DataError if a name stands twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        found = listing(f"'{name}'" for name in twice)
        hint = "rename the columns: a feature is found by its name"
        raise DataError(Problem(where, f"duplicate column names: {found} stand twice or more", hint=hint))
