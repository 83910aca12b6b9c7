"""CSV and its kin: comma, tab, semicolon or bar between the values, the first row holds the names.

UTF-8 with or without a byte order mark; quoted values may hold delimiters and line ends; empty lines are skipped.
Words for missing values are those of pandas.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO

import pyarrow as pa

from ostinato.errors import DataError, Problem
from ostinato.sources.blocks import BLOCK_BYTES, Block, TooLong, blocks, csv_cut, in_order
from ostinato.sources.file import Check, Format, opened_text
from ostinato.sources.flaws import flaw_of_block, not_utf8, refuse_open_quote, refuse_utf16
from ostinato.sources.source import Types
from ostinato.storage import StoredFile

MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
DELIMITERS = ",\t;|"
_HEAD_BYTES = 1 << 18
_SNIFFED_RECORDS = 50
_FEW_BAD_COLUMNS = 3
_CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to ")


@dataclass(frozen=True)
class Layout:
    """What the head of a file tells."""

    names: list[str]
    delimiter: str
    start: int
    """Bytes before the first record behind the names."""
    lines: int
    """Lines before it."""


class Delimited(Format):
    """CSV, TSV."""

    def __init__(self, delimiter: str | None) -> None:
        self.delimiter = delimiter
        """None to find out."""

    def names(self, file: StoredFile) -> list[str]:
        """The names in the first row; an empty one becomes `Unnamed: <position>`, as pandas calls it."""
        with opened_text(file) as stream:
            return self._layout(file.uri, stream)[0].names

    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows. A value that does not convert makes its column a string, in its block and some behind it."""
        with opened_text(file) as stream:
            layout, head = self._layout(file.uri, stream)
            check(layout.names)
            stream_of_rest = _Chained(head[layout.start :], stream)
            reader = _BlockReader(file.uri, layout, columns, types)
            try:
                cut = csv_cut(layout.delimiter)
                records = blocks(stream_of_rest, cut, layout.lines + 1)  # type: ignore[arg-type]
                for batch in in_order(reader.read, records):
                    if batch.num_rows:
                        yield batch
            except TooLong as error:
                raise DataError(
                    Problem(file.uri, "a row has over 1 GB: is a quote opened and never closed?")
                ) from error

    def _layout(self, file: str, stream: IO[bytes]) -> tuple[Layout, bytes]:
        """The layout, and the bytes that had to be read for it.

        Raises:
            DataError: the file is empty, or is no text in UTF-8.
        """
        head = stream.read(_HEAD_BYTES)
        refuse_utf16(file, head)
        if not head.strip(b"\xef\xbb\xbf \t\r\n"):
            raise DataError(Problem(file, "the file is empty", "a row of column names, then rows of values"))
        while b"\n" not in head.lstrip(b"\xef\xbb\xbf\r\n") and len(head) < BLOCK_BYTES:
            more = stream.read(_HEAD_BYTES)
            if not more:
                break
            head += more
        whole = head[: head.rfind(b"\n") + 1] or head  # a character or a record may be cut at the end
        mark = 3 if whole.startswith(b"\xef\xbb\xbf") else 0
        try:
            text = whole[mark:].decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(file, whole, 1) from error
        delimiter = self.delimiter or sniff(text)
        lines = io.StringIO(text, newline="").readlines()
        reader = csv.reader(lines, delimiter=delimiter)
        names = next(row for row in reader if row)
        start = mark + len("".join(lines[: reader.line_num]).encode())
        named = [name or f"Unnamed: {position}" for position, name in enumerate(names)]
        return Layout(named, delimiter, start, reader.line_num), head


def sniff(text: str) -> str:
    """The delimiter that gives the first records the same number of values, the most of those; else a comma."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            counts = [len(row) for row in islice((row for row in reader if row), _SNIFFED_RECORDS)]
        except csv.Error:
            return 0.0, 0
        if not counts or counts[0] < 2:
            return 0.0, 0
        return Counter(counts)[counts[0]] / len(counts), counts[0]

    return max(DELIMITERS, key=score)


class _Chained:
    """Bytes that were read already, then the rest of a stream."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self.first, self.rest = first, rest

    def read(self, size: int) -> bytes:
        if len(self.first) >= size:
            piece, self.first = self.first[:size], self.first[size:]
            return piece
        parts = [self.first]
        missing, self.first = size - len(self.first), b""
        while missing > 0 and (part := self.rest.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


class _BlockReader:
    """Blocks of one file -> batches."""

    def __init__(self, file: str, layout: Layout, columns: Sequence[str], types: Types) -> None:
        self.file, self.layout, self.columns = file, layout, list(columns)
        self.types = {name: types.get(name, pa.string()) for name in columns}

    def read(self, block: Block) -> pa.RecordBatch:
        """The rows of a block.

        Raises:
            DataError: rows have too few or too many values, or the text is not UTF-8.
        """
        refuse_open_quote(self.file, block, self.layout.delimiter)
        types = dict(self.types)
        bad = 0
        while True:
            try:
                return self._convert(block, types)
            except pa.ArrowInvalid as error:
                found = _CONVERSION.search(str(error))
                name = self.layout.names[int(found[1])] if found else ""
                is_string = types.get(name, pa.string()) == pa.string()
                if is_string or "invalid UTF8" in str(error):
                    raise flaw_of_block(self.file, block, self.layout.names, self.layout.delimiter, error) from error
                bad += 1
                suspects = [name] if bad <= _FEW_BAD_COLUMNS else self.columns
                types |= dict.fromkeys(suspects, pa.string())

    def _convert(self, block: Block, types: Types) -> pa.RecordBatch:
        import pyarrow.csv as pa_csv

        table = pa_csv.read_csv(
            pa.BufferReader(block.data),
            # One piece, one thread: several blocks are in work at once.
            pa_csv.ReadOptions(use_threads=False, block_size=len(block.data) + 1, column_names=self.layout.names),
            pa_csv.ParseOptions(delimiter=self.layout.delimiter, newlines_in_values=b'"' in block.data),
            pa_csv.ConvertOptions(
                include_columns=self.columns,
                column_types=types,
                null_values=list(MISSING_WORDS),
                strings_can_be_null=True,
            ),
        )
        pieces = table.combine_chunks().to_batches()
        return pieces[0] if pieces else pa.RecordBatch.from_pylist([], table.schema)
