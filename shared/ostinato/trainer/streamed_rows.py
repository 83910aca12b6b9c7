"""Rows that stay on disk and are read as training goes. N rows, B rows of a batch, G row groups, R processes.

An order of all rows would need every row at hand. Instead the row groups come in a random order, as many of them as
fit into a window are read together, and within a window all rows are shuffled. A window of W groups stands for all
rows as a random sample of W groups does: the mean of a column over a window is off by at most its deviation between
groups / sqrt(W), and no more where the file's order says nothing (then not at all).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from ostinato.artifacts import SplitName
from ostinato.dataset import DataFolder, RowGroup
from ostinato.trainer.rows import Batch, Layout, Matrices, Rows, share

_SAMPLED_GROUPS = 16


@dataclass(frozen=True)
class _Piece:
    """Some consecutive rows of a row group."""

    group: RowGroup
    start: int
    stop: int


class StreamedRows(Rows):
    """Rows of Parquet shards, read in windows while the window before is trained on.

    Each process reads a part of its own: the sequence of groups is cut into R lanes of equal numbers of rows, and every
    batch has equal shares of all lanes. A single process can take all lanes, which gives the batches of R processes.
    """

    def __init__(
        self,
        data: DataFolder,
        splits: Sequence[SplitName],
        names: Sequence[str],
        *,
        window_rows: int,
        lanes: Sequence[int] = (0,),
        num_lanes: int = 1,
    ) -> None:
        """`window_rows`: rows of a window, of all lanes of this process together; two windows are in memory."""
        self._data = data
        self._names = list(names)
        self._groups = [group for split in splits for group in data.row_groups(split)]
        self._layout = Layout(data.no_rows(names))
        self._lanes = list(lanes)
        self._num_lanes = num_lanes
        self._window_rows = max(1, window_rows // len(self._lanes))
        self.num_rows = sum(group.rows for group in self._groups)

    def sample(self, most: int) -> Batch:
        """At most that many rows, evenly spread over at most 16 row groups, which are evenly spread over all."""
        count = min(len(self._groups), _SAMPLED_GROUPS)
        chosen = [self._groups[(2 * number + 1) * len(self._groups) // (2 * count)] for number in range(count)]
        parts = []
        for group in chosen:
            matrices = self._layout.empty(group.rows)
            self._layout.fill(matrices, 0, self._data.read_group(group, self._names))
            wanted = min(group.rows, most // count)
            index = torch.linspace(0, group.rows - 1, wanted, dtype=torch.float64).long()
            parts.append({dtype: matrix[index] for dtype, matrix in matrices.items()})
        return self._layout.views(_together(parts))

    def num_batches(self, batch_size: int) -> int:
        """Batches of one pass: as few as have at most `batch_size` rows each, or two of every lane."""
        if not self.num_rows:
            return 0
        least = 1 if self._num_lanes == 1 else 2 * self._num_lanes
        return max(1, min(-(-self.num_rows // batch_size), self.num_rows // least))

    def batch_rows(self, batch_size: int, number: int) -> int:
        """Rows of a batch over all processes."""
        count = self.num_batches(batch_size)
        return sum(
            stop - start for start, stop in (self._share(lane, number, count) for lane in range(self._num_lanes))
        )

    def batches(self, batch_size: int, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of one pass; what lies before batch `start` is not read."""
        count = self.num_batches(batch_size)
        groups, seed = self._groups, None
        if generator is not None:
            order = torch.randperm(len(groups), generator=generator).tolist()
            seed = int(torch.randint(1 << 62, (), generator=generator))
            groups = [groups[number] for number in order]
        with ThreadPoolExecutor(len(self._lanes), "rows") as pool:
            lanes = [
                _Lane(self, self._cut(groups, lane), None if seed is None else seed + lane, pool)
                for lane in self._lanes
            ]
            for number in range(start, count):
                parts = [
                    part
                    for lane, reader in zip(self._lanes, lanes, strict=True)
                    for part in reader.rows(*self._share(lane, number, count))
                ]
                yield self._layout.views(_together(parts or [self._layout.empty(0)]))

    def windows(self, pieces: Sequence[_Piece]) -> list[list[_Piece]]:
        """Pieces in windows of at most so many rows as are wanted, or of one piece."""
        found: list[list[_Piece]] = []
        room = 0
        for piece in pieces:
            length = piece.stop - piece.start
            if not found or length > room:
                found.append([])
                room = self._window_rows
            found[-1].append(piece)
            room -= length
        return found

    def read(self, pieces: Sequence[_Piece]) -> Matrices:
        """The rows of a window."""
        matrices = self._layout.empty(sum(piece.stop - piece.start for piece in pieces))
        start = 0
        for piece in pieces:
            columns = self._data.read_group(piece.group, self._names)
            rows = {name: column[piece.start : piece.stop] for name, column in columns.items()}
            self._layout.fill(matrices, start, rows)
            start += piece.stop - piece.start
        return matrices

    def _share(self, lane: int, number: int, count: int) -> tuple[int, int]:
        """The rows of a lane that belong to a batch."""
        first, last = share(self.num_rows, lane, self._num_lanes)
        return share(last - first, number, count)

    def _cut(self, groups: Sequence[RowGroup], lane: int) -> list[_Piece]:
        """A lane's part of the sequence of groups."""
        first, last = share(self.num_rows, lane, self._num_lanes)
        ends = list(itertools.accumulate(group.rows for group in groups))
        return [
            _Piece(group, max(first - (end - group.rows), 0), min(last - (end - group.rows), group.rows))
            for group, end in zip(groups, ends, strict=True)
            if end > first and end - group.rows < last
        ]


def _together(parts: Sequence[Matrices]) -> Matrices:
    """The rows of all parts; a single one is not copied."""
    if len(parts) == 1:
        return parts[0]
    return {dtype: torch.cat([part[dtype] for part in parts]) for dtype in parts[0]}


class _Lane:
    """Reads the rows of a lane in their order for one pass, a window ahead."""

    def __init__(
        self, rows: StreamedRows, pieces: Sequence[_Piece], seed: int | None, pool: ThreadPoolExecutor
    ) -> None:
        self._rows = rows
        self._seed = seed
        self._pool = pool
        self._windows = rows.windows(pieces)
        lengths = [sum(piece.stop - piece.start for piece in window) for window in self._windows]
        self._ends = list(itertools.accumulate(lengths))
        self._number = 0
        self._here: tuple[Matrices, torch.Tensor | None] | None = None
        self._next: Future[tuple[Matrices, torch.Tensor | None]] | None = None

    def rows(self, start: int, stop: int) -> Iterator[Matrices]:
        """The rows from `start` to before `stop` of the lane; calls go forward."""
        while start < stop:
            while start >= self._ends[self._number]:
                self._number += 1
                self._here = None
            first, end = self._ends[self._number - 1] if self._number else 0, self._ends[self._number]
            matrices, order = self._window()
            upto = min(stop, end)
            if order is None:
                yield {dtype: matrix[start - first : upto - first] for dtype, matrix in matrices.items()}
            else:
                index = order[start - first : upto - first]
                yield {dtype: matrix.index_select(0, index) for dtype, matrix in matrices.items()}
            start = upto

    def _window(self) -> tuple[Matrices, torch.Tensor | None]:
        if self._here is None:
            ahead = self._next or self._pool.submit(self._read, self._number)
            self._here = ahead.result()
            has_more = self._number + 1 < len(self._windows)
            self._next = self._pool.submit(self._read, self._number + 1) if has_more else None
        return self._here

    def _read(self, number: int) -> tuple[Matrices, torch.Tensor | None]:
        matrices = self._rows.read(self._windows[number])
        if self._seed is None:
            return matrices, None
        length = len(next(iter(matrices.values())))
        generator = torch.Generator().manual_seed((self._seed + number * 0x9E3779B97F4A7C15) & ((1 << 63) - 1))
        return matrices, torch.randperm(length, generator=generator)
