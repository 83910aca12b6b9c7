"""A file of text records as blocks of whole records, and work on several blocks at once.

A record of CSV may hold line ends between quotes, so that not every line end ends a record.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, TypeVar

import numpy as np

from ostinato.resources import usable_cores

BLOCK_BYTES = 4 << 20
_AHEAD = 4
"""Blocks in work at once. Fixed, so that what a block learns from those before it is the same on every machine."""
_MOST_BYTES = 1 << 30

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Cut = Callable[[bytes], int]


@dataclass(frozen=True)
class Block:
    """Whole records."""

    data: bytes
    first_line: int
    """Number of its first line in the file, from 1."""


class TooLong(Exception):
    """No record ended within a gigabyte."""


def blocks(stream: IO[bytes], cut: Cut, first_line: int = 1, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The rest of the stream; `cut` tells how many bytes of a piece are whole records, 0 where none is."""
    rest, wanted = b"", size
    while True:
        piece = stream.read(wanted)
        data = rest + piece if rest else piece
        if not piece:
            if data:
                yield Block(data, first_line)
            return
        end = cut(data)
        if end:
            yield Block(data[:end], first_line)
            first_line += data.count(b"\n", 0, end)
        elif len(data) > _MOST_BYTES:
            raise TooLong
        rest = data[end:]
        # A record longer than a block: read twice as much each time, so that the work stays linear.
        wanted = max(size, len(rest))


def cut_lines(data: bytes) -> int:
    """Bytes up to the last line end."""
    return data.rfind(b"\n") + 1


def csv_cut(delimiter: str) -> Cut:
    """Tells where the last whole record of CSV ends."""
    beside = np.zeros(256, bool)
    beside[[ord(delimiter), ord("\n"), ord("\r"), ord('"')]] = True

    def cut(data: bytes) -> int:
        if b'"' not in data:
            return cut_lines(data)
        letters = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(letters == ord('"'))
        opening, closing = quotes[::2], quotes[1::2]
        well_formed = beside[letters[opening[opening > 0] - 1]].all()
        well_formed &= beside[letters[closing[closing < len(letters) - 1] + 1]].all()
        if not well_formed:  # a quote within a value, as in 5" pipe: parity says nothing
            return _cut_by_reading(data, delimiter)
        end = len(data)
        while (end := data.rfind(b"\n", 0, end)) >= 0:
            if np.searchsorted(quotes, end) % 2 == 0:
                return end + 1
        return 0

    return cut


def _cut_by_reading(data: bytes, delimiter: str) -> int:
    """The same by Python's own reader, record by record. Slow and exact."""
    ends = [0]

    def lines() -> Iterator[str]:
        for line in io.BytesIO(data):
            ends.append(ends[-1] + len(line))
            yield line.decode("utf-8", "replace")

    reader = csv.reader(lines(), delimiter=delimiter)
    last = before = 0
    try:
        for _ in reader:
            before, last = last, reader.line_num
    except csv.Error:
        return cut_lines(data)
    # The last record may go on behind the piece.
    return ends[last] if data.endswith(b"\n") and not ends_in_quotes(data[ends[before] :], delimiter) else ends[before]


def ends_in_quotes(record: bytes, delimiter: str) -> bool:
    """Whether a record ends within quotes: then another line would belong to it."""
    text = record.decode("utf-8", "replace")
    return len(list(csv.reader(io.StringIO(f"{text}x{delimiter}x\n", newline=""), delimiter=delimiter))) == 1


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], ahead: int = _AHEAD, threads: int = 0
) -> Iterator[_Result]:
    """`work` of each item, some items ahead of what is taken, in the order of the items; 0 threads: one a core."""
    remaining = iter(items)
    first = list(islice(remaining, 2))
    if len(first) < 2:  # most files are one block, which needs no threads
        yield from map(work, first)
        return
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads or min(ahead, usable_cores()), "reader")
    try:
        for item in chain(first, remaining):
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
