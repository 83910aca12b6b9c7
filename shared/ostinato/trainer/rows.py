"""Encoded rows, ready for batches. N rows of a split, B rows of a batch, C columns of one dtype, R processes.

A batch has B rows over all processes; each gets its share of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ostinato.artifacts import SplitName
from ostinato.dataset import DataFolder
from ostinato.trainer.processes import ALONE, Processes

Batch = dict[str, Tensor]
Matrices = dict[torch.dtype, Tensor]
"""[N, C] by dtype, float32 and int32."""


class Rows(ABC):
    """The rows of a split, or of several one after another."""

    num_rows: int
    """Over all processes."""

    def __len__(self) -> int:
        return self.num_rows

    @abstractmethod
    def sample(self, most: int) -> Batch:
        """At most that many rows, spread over all; the same on every process."""

    @abstractmethod
    def num_batches(self, batch_size: int) -> int:
        """Batches of one pass."""

    @abstractmethod
    def batch_rows(self, batch_size: int, number: int) -> int:
        """Rows of a batch over all processes; `number` from 0."""

    @abstractmethod
    def batches(self, batch_size: int, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of one pass, from number `start` on.

        In a new random order by the generator, which every process has in the same state; in order without one.
        """


class Layout:
    """Where columns lie in matrices: those of one dtype side by side."""

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        assert columns, "at least one column"
        self.places: dict[str, tuple[torch.dtype, int, int | None]] = {}
        self.widths: dict[torch.dtype, int] = {}
        for name, column in columns.items():
            dtype = torch.float32 if column.dtype.kind == "f" else torch.int32
            length = column.shape[1] if column.ndim == 2 else None
            start = self.widths.get(dtype, 0)
            self.places[name] = (dtype, start, length)
            self.widths[dtype] = start + (length or 1)

    def empty(self, num_rows: int) -> Matrices:
        """Matrices to fill."""
        return {dtype: torch.empty((num_rows, width), dtype=dtype) for dtype, width in self.widths.items()}

    def fill(self, matrices: Matrices, start: int, columns: Mapping[str, np.ndarray]) -> None:
        """Puts rows [n] or [n, T] by name at their place, from row `start` on."""
        arrays = {dtype: matrix.numpy() for dtype, matrix in matrices.items()}
        for name, (dtype, first, length) in self.places.items():
            column = columns[name]
            block = arrays[dtype][start : start + len(column), first : first + (length or 1)]
            block[...] = column.reshape(block.shape)

    def views(self, matrices: Matrices) -> Batch:
        """Columns by name, without a copy."""
        batch: Batch = {}
        for name, (dtype, start, length) in self.places.items():
            matrix = matrices[dtype]
            batch[name] = matrix[:, start] if length is None else matrix[:, start : start + length]
        return batch


class RowsInMemory(Rows):
    """Rows as tensors on the device.

    Columns of the same dtype lie side by side in one matrix [N, C], so that a batch costs one gather a dtype however
    many features there are; what a batch holds are views of that gather. Each process holds all rows, so the order of
    a pass is the same however many there are.
    """

    def __init__(self, layout: Layout, matrices: Matrices, processes: Processes, device: torch.device) -> None:
        self.num_rows = len(next(iter(matrices.values())))
        self._layout = layout
        self._matrices = {dtype: matrix.to(device) for dtype, matrix in matrices.items()}
        self._device = device
        self._rank, self._size = processes.rank, processes.size

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray], processes: Processes = ALONE) -> RowsInMemory:
        """Of columns [N] or [N, T] by name."""
        layout = Layout(columns)
        matrices = layout.empty(len(next(iter(columns.values()))))
        layout.fill(matrices, 0, columns)
        return cls(layout, matrices, processes, processes.device)

    @classmethod
    def read(
        cls,
        data: DataFolder,
        splits: Sequence[SplitName],
        names: Sequence[str],
        processes: Processes,
        device: torch.device,
    ) -> RowsInMemory:
        """Of a data folder; the rows of the splits one after another."""
        layout = Layout(data.no_rows(names))
        matrices = layout.empty(sum(data.manifest.rows(split) for split in splits))
        start = 0
        for split in splits:
            for part in data.iter(split, names):
                layout.fill(matrices, start, part)
                start += len(next(iter(part.values())))
        return cls(layout, matrices, processes, device)

    def all(self) -> Batch:
        """All rows, in order."""
        return self._layout.views(self._matrices)

    def take(self, index: Tensor) -> Batch:
        """The rows [B] of the index, which lies on the device."""
        return self._layout.views({dtype: matrix.index_select(0, index) for dtype, matrix in self._matrices.items()})

    def slice(self, start: int, stop: int) -> Batch:
        """The rows from `start` to before `stop`, without a copy."""
        return self._layout.views({dtype: matrix[start:stop] for dtype, matrix in self._matrices.items()})

    def sample(self, most: int) -> Batch:
        """At most that many rows, evenly spread."""
        if self.num_rows <= most:
            return self.all()
        return self.take(torch.linspace(0, self.num_rows - 1, most, dtype=torch.float64).long().to(self._device))

    def num_batches(self, batch_size: int) -> int:
        """Batches of one pass. Fewer than two rows a process that are left over join the last batch: a single row has
        no variance to norm by, and no process may be without rows."""
        whole, rest = divmod(self.num_rows, batch_size)
        return whole + (rest >= 2 * self._size or (rest > 0 and whole == 0))

    def batch_rows(self, batch_size: int, number: int) -> int:
        """Rows of a batch over all processes."""
        start, stop = self._bounds(batch_size, number, self.num_batches(batch_size) - 1)
        return stop - start

    def batches(self, batch_size: int, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of one pass."""
        last = self.num_batches(batch_size) - 1
        # Drawn on the CPU, so that the order is the same on every device.
        order = None if generator is None else torch.randperm(self.num_rows, generator=generator).to(self._device)
        for number in range(start, last + 1):
            first, stop = self._bounds(batch_size, number, last)
            if self._size > 1:
                first, stop = share(stop - first, self._rank, self._size, first)
            yield self.slice(first, stop) if order is None else self.take(order[first:stop])

    def _bounds(self, batch_size: int, number: int, last: int) -> tuple[int, int]:
        start = number * batch_size
        return start, self.num_rows if number == last else start + batch_size


def share(rows: int, rank: int, size: int, start: int = 0) -> tuple[int, int]:
    """The bounds of a process's share of some rows from `start` on; shares differ by at most one row."""
    return start + rows * rank // size, start + rows * (rank + 1) // size
