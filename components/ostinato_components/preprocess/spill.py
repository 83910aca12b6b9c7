"""Canonical rows on disk between the two passes, so that memory does not grow with the rows.

A spill is a file of frames. A frame is an Arrow stream of its own, with dictionaries of its own, so that any frame can
be read without the others, also from a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from ostinato import storage
from ostinato.errors import DataError, Problem
from ostinato.spec import NonNegativeInt, Spec

_KEPT_FRAMES = 3


class Frame(Spec):
    """Some rows of a spill."""

    offset: NonNegativeInt
    """Where it begins in the file."""
    bytes: NonNegativeInt
    """Its size."""
    rows: NonNegativeInt
    """Its rows."""
    empty: tuple[int, ...] = ()
    """Columns without any value."""
    classes: dict[str, int] = {}
    """How often each class of the target occurs, where training rows are balanced."""


class Spill(Spec):
    """A file of rows."""

    file: str
    """Its name."""
    part: NonNegativeInt
    """Number of the part whose rows they are."""
    frames: tuple[Frame, ...] = ()
    """In the order of their rows."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(frame.rows for frame in self.frames)


class SpillWriter:
    """Writes a spill; a file comes to be with the first rows."""

    def __init__(self, path: Path, part: int) -> None:
        self.path, self.part = path, part
        self.frames: list[Frame] = []
        self._file: pa.NativeFile | None = None

    def write(self, columns: Sequence[pa.Array], classes: dict[str, int]) -> None:
        """Appends rows as a frame."""
        if self._file is None:
            self._file = pa.OSFile(str(self.path), "wb")
        batch = pa.RecordBatch.from_arrays(list(columns), names=[f"f{place}" for place in range(len(columns))])
        offset = self._file.tell()
        with pa.ipc.new_stream(self._file, batch.schema) as stream:
            stream.write_batch(batch)
        empty = tuple(place for place, column in enumerate(columns) if column.null_count == len(column))
        size = self._file.tell() - offset
        self.frames.append(Frame(offset=offset, bytes=size, rows=batch.num_rows, empty=empty, classes=classes))

    def close(self) -> Spill:
        """Ends writing."""
        if self._file is not None:
            self._file.close()
            self._file = None
        return Spill(file=self.path.name, part=self.part, frames=tuple(self.frames))


class SpilledRows:
    """The rows of several spills, one after another, from any row on. Not for several threads."""

    def __init__(self, folder: str, spills: Sequence[Spill]) -> None:
        """`folder` is where the spills are, a path or URI."""
        self.folder = folder
        self.frames = [(spill.file, frame) for spill in spills for frame in spill.frames]
        self.starts = [0, *accumulate(frame.rows for _, frame in self.frames)]
        """Number of the first row of each frame, and of all rows."""
        self._kept: dict[int, pa.RecordBatch] = {}

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.starts[-1]

    def between(self, first: int, stop: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Rows in pieces, with the number of the first of each."""
        for place, start in enumerate(self.starts[:-1]):
            low, high = max(first, start), min(stop, self.starts[place + 1])
            if low < high:
                yield low, self.frame(place).slice(low - start, high - low)

    def frame(self, place: int) -> pa.RecordBatch:
        """The rows of the frame of that number; the last few are kept."""
        if place not in self._kept:
            if len(self._kept) == _KEPT_FRAMES:
                self._kept.pop(next(iter(self._kept)))
            with pa.ipc.open_stream(pa.py_buffer(self._bytes(*self.frames[place]))) as stream:
                self._kept[place] = stream.read_next_batch()
        return self._kept[place]

    def _bytes(self, file: str, frame: Frame) -> bytes:
        uri = f"{self.folder}/{file}"
        content = storage.read_range(uri, frame.offset, frame.offset + frame.bytes)
        if len(content) < frame.bytes:
            raise DataError(Problem(uri, f"ends before byte {frame.offset + frame.bytes:,}: it is not whole"))
        return content
