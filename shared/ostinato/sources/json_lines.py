"""JSON: one object a line, or a file that is one array of objects or one object of columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from ostinato.errors import DataError, Problem
from ostinato.sources.blocks import Block, TooLong, blocks, cut_lines, in_order
from ostinato.sources.file import Check, Format, opened_text
from ostinato.sources.flaws import not_utf8, refuse_utf16
from ostinato.sources.source import BATCH_ROWS, Types
from ostinato.sources.table import table_of_columns, table_of_rows
from ostinato.storage import StoredFile

_HEAD_BYTES = 1 << 22


class JSONLines(Format):
    """One JSON object a line. Names are the keys of the first lines (4 MB of them); later new ones are not seen."""

    def names(self, file: StoredFile) -> list[str]:
        """Keys in the order in which they first occur."""
        with opened_text(file) as stream:
            return _keys(file.uri, stream.read(_HEAD_BYTES))

    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows; a key that a row does not have is missing there."""
        wished = pa.schema([(name, types[name]) for name in columns if name in types])

        def batch_of(block: Block) -> pa.RecordBatch:
            return _batch(file.uri, block, columns, wished)

        with opened_text(file) as stream:
            try:
                pieces = blocks(stream, cut_lines)
                first = next(pieces, Block(b"", 1))
                check(_keys(file.uri, first.data[:_HEAD_BYTES]))
                for batch in in_order(batch_of, chain([first], pieces)):
                    if batch.num_rows:
                        yield batch
            except TooLong as error:
                raise DataError(Problem(file.uri, "a line has over 1 GB")) from error


class JSON(JSONLines):
    """A file that begins with an array of objects, or is one object of columns; else one object a line."""

    def names(self, file: StoredFile) -> list[str]:
        """Names in the order in which they first occur."""
        table = self._whole(file)
        return super().names(file) if table is None else list(table.column_names)

    def read(self, file: StoredFile, columns: Sequence[str], types: Types, check: Check) -> Iterator[pa.RecordBatch]:
        """The rows. An array is held in memory whole."""
        table = self._whole(file)
        if table is None:
            yield from super().read(file, columns, types, check)
        else:
            check(list(table.column_names))
            yield from table.select(columns).to_batches(max_chunksize=BATCH_ROWS)

    def _whole(self, stored: StoredFile) -> pa.Table | None:
        """The table of an array or of an object of columns; None for lines."""
        file = stored.uri
        with opened_text(stored) as stream:
            head = stream.read(_HEAD_BYTES)
            if not head.lstrip().startswith(b"[") and _is_json(head.lstrip().partition(b"\n")[0]) and b"\n" in head:
                return None
            if head.lstrip().startswith(b"{") and len(head) == _HEAD_BYTES and b"\n" in head:
                return None  # a first line of megabytes, or an object over lines: the reader of lines will say
            content = head + stream.read()
        refuse_utf16(file, head)
        if not content.strip():
            raise DataError(Problem(file, "the file is empty", "an array of objects, or one JSON object a line"))
        try:
            value = json.loads(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise not_utf8(file, content, 1) from error
        except json.JSONDecodeError as error:
            message = f"is no JSON: {error.msg}"
            raise DataError(Problem(f"{file}:{error.lineno}:{error.colno}", message, _FORMS)) from error
        return _table_of_value(file, value)


_FORMS = "an array of objects, an object of columns, or one object a line"


def _keys(file: str, head: bytes) -> list[str]:
    """Keys of the objects of a head, in the order in which they first occur.

    Raises:
        DataError: there is nothing, or no JSON.
    """
    refuse_utf16(file, head)
    if not head.strip():
        raise DataError(Problem(file, "the file is empty", "one JSON object a line"))
    whole = head[: cut_lines(head)] if len(head) == _HEAD_BYTES else head
    return list(dict.fromkeys(name for row in _objects(file, Block(whole, 1)) for name in row))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    return True


def _table_of_value(file: str, value: Any) -> pa.Table:
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return table_of_rows(value)
    if isinstance(value, dict):
        # pandas writes {"column": {"0": …, "1": …}} by default.
        columns = {name: list(one.values()) if isinstance(one, dict) else one for name, one in value.items()}
        if all(isinstance(one, list) for one in columns.values()) and len({len(one) for one in columns.values()}) == 1:
            return table_of_columns(columns)
        if not any(isinstance(one, list | dict) for one in value.values()):
            return table_of_rows([value])
    raise DataError(Problem(file, "is JSON, but no table", _FORMS))


def _batch(file: str, block: Block, columns: Sequence[str], wished: pa.Schema) -> pa.RecordBatch:
    """The rows of a block: by Arrow where every column is of one type, else value by value."""
    import pyarrow.json as pa_json

    options = pa_json.ParseOptions(explicit_schema=wished, unexpected_field_behavior="infer")
    try:
        read = pa_json.ReadOptions(use_threads=False, block_size=len(block.data) + 1)
        table = pa_json.read_json(pa.BufferReader(block.data), read, options)
        if any(pa.types.is_timestamp(kind) for kind in table.schema.types):
            raise pa.ArrowInvalid("texts that look like times stay texts")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        table = table_of_rows(list(_objects(file, block)))
    rows = table.num_rows
    arrays = [table[name] if name in table.column_names else pa.nulls(rows, pa.string()) for name in columns]
    pieces = pa.Table.from_arrays(arrays, names=list(columns)).combine_chunks().to_batches()
    return pieces[0] if pieces else pa.RecordBatch.from_pylist([], wished)


def _objects(file: str, block: Block) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise not_utf8(file, line, number) from error
        except json.JSONDecodeError as error:
            message = f"is no JSON: {error.msg} at column {error.colno}"
            raise DataError(Problem(f"{file}:{number}", message, "one JSON object a line")) from error
        if not isinstance(row, dict):
            found = f"is a {type(row).__name__}, no object"
            raise DataError(Problem(f"{file}:{number}", found, 'one JSON object a line, as in {"age": 39}'))
        yield row
