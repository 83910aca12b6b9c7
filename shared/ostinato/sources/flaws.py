"""What is wrong with a text file, said so that a person finds and mends it."""

from __future__ import annotations

import csv
import io

from ostinato.errors import DataError, Problem, listing
from ostinato.sources.blocks import Block, ends_in_quotes

_SHOWN = 5


def refuse_utf16(file: str, head: bytes) -> None:
    """Raises DataError for what is UTF-16, or no text at all."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(Problem(file, "is UTF-16 text", "UTF-8", f"convert it: {_iconv('UTF-16', file)}"))
    if b"\0" in head[:4096]:
        raise DataError(Problem(file, "holds zero bytes: it is no text", hint="name its format with --data_format"))


def not_utf8(file: str, data: bytes, first_line: int) -> DataError:
    """What to say of bytes that are not UTF-8; the first of them is found and shown."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        begin, end = data.rfind(b"\n", 0, error.start) + 1, data.find(b"\n", error.start)
        text = data[max(begin, error.start - 30) : end if end >= 0 else None][:60].decode("cp1252", "replace").strip()
        message = f"is not UTF-8: byte 0x{data[error.start]:02x}; read as Western European it is «{text}»"
        hint = f"convert it: {_iconv('WINDOWS-1252', file)}"
        return DataError(Problem(f"{file}:{line}", message, "UTF-8", hint))
    return DataError(Problem(file, "is not UTF-8"))


def _iconv(encoding: str, file: str) -> str:
    stem, dot, ending = file.rpartition("/")[2].rpartition(".")
    return f"iconv -f {encoding} -t UTF-8 '{file}' > '{stem}-utf8{dot}{ending}'"


def flaw_of_block(file: str, block: Block, names: list[str], delimiter: str, error: Exception) -> DataError:
    """What made Arrow refuse a block: bytes that are not UTF-8, ragged rows, an open quote."""
    if "invalid UTF8" in str(error):
        return not_utf8(file, block.data, block.first_line)
    text = block.data.decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    problems: list[Problem] = []
    more, begin = 0, 0
    try:
        for row in reader:
            line, begin = block.first_line + begin, reader.line_num
            if row and len(row) != len(names):
                more += 1
                if len(problems) < _SHOWN:
                    shown = listing(map(repr, row), 8)
                    problems.append(Problem(f"{file}:{line}", f"the row has {len(row)} values: {shown}"))
    except csv.Error as wrong:
        problems.append(Problem(f"{file}:{block.first_line + reader.line_num}", f"can't be read: {wrong}"))
    if not problems:
        return DataError(Problem(file, f"can't be read from line {block.first_line} on: {error}"))
    if more > _SHOWN:
        problems.append(Problem(file, f"{more - _SHOWN:,} more such rows nearby"))
    hint = f"put quotes around values that hold '{delimiter}'" if delimiter != "\t" else ""
    problems[0] = Problem(problems[0].where, problems[0].message, f"{len(names)}, as many as there are names", hint)
    return DataError(problems)


def refuse_open_quote(file: str, block: Block, delimiter: str) -> None:
    """Raises DataError where the last record of a block ends within quotes, which Arrow takes for a value."""
    if block.data.count(b'"') % 2 == 0:
        return
    reader = csv.reader(io.StringIO(block.data.decode("utf-8", "replace"), newline=""), delimiter=delimiter)
    lines = [0, 0]
    try:
        for _ in reader:
            lines = [lines[1], reader.line_num]
    except csv.Error as error:
        raise DataError(Problem(f"{file}:{block.first_line + reader.line_num}", f"can't be read: {error}")) from error
    record = b"".join(block.data.splitlines(keepends=True)[lines[0] :])
    if ends_in_quotes(record, delimiter):
        raise DataError(Problem(f"{file}:{block.first_line + lines[0]}", "a quote is opened and never closed"))
