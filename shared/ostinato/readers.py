"""One file of each format as a stream of Arrow batches: CSV, TSV, JSON lines, Parquet, Arrow and Feather."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem, listing

BATCH_ROWS = 65536
_BLOCK_BYTES = 8 << 20
_SNIFF_BYTES = 1 << 20
MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Words that stand for a missing value in text formats; those of pandas."""

_ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "arrow", ".arrows": "arrow",
    ".ipc": "arrow",
}  # fmt: skip
_NOT_YET = {".xlsx", ".xls", ".ods", ".orc", ".h5", ".hdf5", ".sav", ".dta", ".sas7bdat", ".html", ".avro", ".fwf"}


class Reader(ABC):
    """One file."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    @abstractmethod
    def batches(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows of these columns, in order."""

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        with storage.explained(self.uri):
            try:
                yield
            except UnicodeDecodeError as error:
                raise self._not_utf8(str(error)) from error
            except pa.ArrowInvalid as error:
                if "invalid UTF8" in str(error):
                    raise self._not_utf8(str(error)) from error
                raise DataError(Problem(self.uri, f"can't be read: {error}")) from error

    def _not_utf8(self, found: str) -> DataError:
        hint = f"convert it first, e.g. iconv -f latin1 -t utf8 {self.uri} > converted"
        return DataError(Problem(self.uri, f"is not UTF-8 text: {found}", hint=hint))

    def _open_arrow(self) -> Any:
        """A native Arrow file where the data are local, else one through fsspec; decompressed by the ending."""
        with self._explained():
            if storage.is_local(self.uri):
                return pa.input_stream(storage.local_path(self.uri))
            stream = pa.PythonFile(storage.open_file(self.uri), mode="r")
            return pa.CompressedInputStream(stream, "gzip") if self.uri.endswith(".gz") else stream


class CSVReader(Reader):
    """Comma, tab, semicolon or bar between values; the first row holds the names."""

    def __init__(self, uri: str, delimiter: str | None) -> None:
        super().__init__(uri)
        self._delimiter = delimiter
        self._names: list[str] | None = None

    def column_names(self) -> list[str]:
        """The names in the first row."""
        if self._names is None:
            with self._open_arrow() as stream, self._explained():
                head = stream.read(_SNIFF_BYTES)
                # A character may be cut at the end of what was read; names never are.
                text = head[: head.rfind(b"\n") + 1 or len(head)].decode("utf-8-sig")
            if not text.strip():
                raise DataError(Problem(self.uri, "the file is empty"))
            if self._delimiter is None:
                self._delimiter = _sniff(text)
            self._names = next(csv.reader(io.StringIO(text.lstrip("\r\n")), delimiter=self._delimiter))
        return self._names

    def batches(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows; a column with a value that does not convert comes as string from there on."""
        names = self.column_names()
        wished = {name: types.get(name, pa.string()) for name in columns}
        delivered = 0
        while True:
            try:
                for batch in self._stream(columns, wished, skip=delivered):
                    yield batch
                    delivered += batch.num_rows
            except pa.ArrowInvalid as error:
                position = re.search(r"In CSV column #(\d+): (?!.*invalid UTF8)", str(error))
                name = names[int(position[1])] if position else None
                if name is None or wished.get(name, pa.string()) == pa.string():
                    self._refuse_ragged()
                    with self._explained():
                        raise
                wished[name] = pa.string()
            else:
                return

    def _refuse_ragged(self) -> None:
        """Raises DataError at the first row that has more or fewer values than there are names."""
        assert self._names is not None
        with self._open_arrow() as stream, self._explained():
            rows = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=self._delimiter or ",")
            for row in rows:
                if row and len(row) != len(self._names):
                    raise DataError(
                        Problem(
                            f"{self.uri}:{rows.line_num}", f"{len(row)} values, expected {len(self._names)}: {row!r}"
                        )
                    )

    def _stream(self, columns: list[str], types: Mapping[str, pa.DataType], skip: int) -> Iterator[pa.RecordBatch]:
        import pyarrow.csv as pa_csv

        with self._open_arrow() as stream:
            reader = pa_csv.open_csv(
                stream,
                pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
                pa_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                pa_csv.ConvertOptions(
                    # Names that are not wanted are parsed but not converted.
                    include_columns=columns,
                    column_types={name: types[name] for name in columns},
                    null_values=list(MISSING_WORDS),
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                yield batch.slice(skip)
                skip = 0


def _sniff(text: str) -> str:
    """The delimiter that stands most often in the first row, outside quotes."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(",\t;|", key=lambda sign: (first.count(sign), sign == ","))


class JSONLinesReader(Reader):
    """One JSON object a line."""

    def column_names(self) -> list[str]:
        """The keys of the first 65,536 rows."""
        names: dict[str, None] = {}
        with self._open_arrow() as stream, self._explained():
            text = io.TextIOWrapper(stream, encoding="utf-8")
            for number, line in enumerate(itertools.islice(filter(str.strip, text), BATCH_ROWS), start=1):
                names |= dict.fromkeys(_object(self.uri, number, line))
        if not names:
            raise DataError(Problem(self.uri, "the file is empty"))
        return list(names)

    def batches(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows; a key that a row does not have is missing there."""
        schema = pa.schema([(name, types[name]) for name in columns if name in types and types[name] != pa.string()])
        delivered = 0
        try:
            for batch in self._stream(schema):
                yield _select(batch, columns)
                delivered += batch.num_rows
        except DataError:
            # A column of mixed types: the reader of Arrow gives up, plain JSON does not.
            yield from self._plain(columns, delivered)

    def _stream(self, schema: pa.Schema | None) -> Iterator[pa.RecordBatch]:
        import pyarrow.json as pa_json

        with self._open_arrow() as stream, self._explained():
            options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer")
            yield from pa_json.open_json(stream, pa_json.ReadOptions(block_size=_BLOCK_BYTES), options)

    def _plain(self, columns: list[str], skip: int) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        with self._open_arrow() as stream, self._explained():
            text = io.TextIOWrapper(stream, encoding="utf-8")
            for number, line in enumerate(filter(str.strip, text), start=1):
                if number <= skip:
                    continue
                rows.append(_object(self.uri, number, line))
                if len(rows) == BATCH_ROWS:
                    yield _batch_of(rows, columns)
                    rows = []
        if rows:
            yield _batch_of(rows, columns)


class JSONReader(JSONLinesReader):
    """One JSON array of objects, or one object a line."""

    def column_names(self) -> list[str]:
        """The keys of all objects of an array; those of the first 65,536 lines."""
        if not self._is_array():
            return super().column_names()
        return list(dict.fromkeys(name for row in self._array() for name in row))

    def _stream(self, schema: pa.Schema | None) -> Iterator[pa.RecordBatch]:
        if not self._is_array():
            yield from super()._stream(schema)
            return
        rows = self._array()
        names = list(dict.fromkeys(name for row in rows for name in row))
        for start in range(0, len(rows), BATCH_ROWS):
            yield _batch_of(rows[start : start + BATCH_ROWS], names)

    def _is_array(self) -> bool:
        with self._open_arrow() as stream:
            return bytes(stream.read(_SNIFF_BYTES)).lstrip()[:1] == b"["

    def _array(self) -> list[dict[str, Any]]:
        with self._open_arrow() as stream, self._explained():
            text = stream.read().decode("utf-8")
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(Problem(self.uri, f"is no JSON: {error}")) from error
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                raise DataError(Problem(self.uri, f"element {number} is no object", "an array of objects"))
        return list(rows)


def _object(uri: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(Problem(f"{uri}:{number}", f"is no JSON: {error}")) from error
    if not isinstance(row, dict):
        raise DataError(Problem(f"{uri}:{number}", "is no object", "one JSON object a line"))
    return row


def _batch_of(rows: list[dict[str, Any]], columns: list[str]) -> pa.RecordBatch:
    from ostinato.batches import as_table

    table = as_table({name: [row.get(name) for row in rows] for name in columns})
    (batch,) = table.combine_chunks().to_batches()
    return batch


def _select(batch: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
    arrays = [
        batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string()) for name in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=columns)


class ParquetReader(Reader):
    """Parquet."""

    def _file(self) -> Any:
        import pyarrow.parquet as pq

        with self._explained():
            source = storage.local_path(self.uri) if storage.is_local(self.uri) else storage.open_file(self.uri)
            return pq.ParquetFile(source)

    def column_names(self) -> list[str]:
        """The names of the columns."""
        with self._file() as file:
            names: list[str] = file.schema_arrow.names
            return names

    def batches(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows, in their own types."""
        with self._file() as file, self._explained():
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                yield batch.select(columns)


class ArrowReader(Reader):
    """Arrow IPC, as a file (Feather 2) or a stream."""

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with self._explained():
            with storage.open_file(self.uri) as opened:
                magic = opened.read(6)
            with storage.open_file(self.uri) as opened:
                if magic == b"ARROW1":
                    file = pa.ipc.open_file(pa.PythonFile(opened, mode="r"))
                    yield pa.RecordBatch.from_pylist([], file.schema)
                    for number in range(file.num_record_batches):
                        yield file.get_batch(number)
                else:
                    stream = pa.ipc.open_stream(opened)
                    yield pa.RecordBatch.from_pylist([], stream.schema)
                    yield from stream

    def column_names(self) -> list[str]:
        """The names of the columns."""
        names: list[str] = next(self._batches()).schema.names
        return names

    def batches(self, columns: list[str], types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows, in their own types."""
        for batch in self._batches():
            if batch.num_rows:
                yield batch.select(columns)


def reader_of(uri: str, data_format: str) -> Reader:
    """The reader of a file, by its format or its ending.

    Raises:
        DataError: there is no reader for it.
    """
    path = uri.partition("?")[0].removesuffix(".gz").lower()
    ending = "." + path.rpartition("/")[2].rpartition(".")[2]
    name = _ENDINGS.get(ending) if data_format == "auto" else data_format
    readers: dict[str, Reader] = {
        "csv": CSVReader(uri, None),
        "tsv": CSVReader(uri, "\t"),
        "jsonl": JSONLinesReader(uri),
        "json": JSONReader(uri),
        "parquet": ParquetReader(uri),
        "feather": ArrowReader(uri),
        "arrow": ArrowReader(uri),
    }
    if name not in readers:
        what = "is not implemented yet" if ending in _NOT_YET else "is not known"
        raise DataError(
            Problem(uri, f"the format '{name or ending}' {what}", listing(readers), "name it with --data_format")
        )
    return readers[name]
