"""Encoded rows in memory, ready for batches. N rows of a split, B rows of a batch, C columns of one dtype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

Batch = dict[str, Tensor]


class Rows:
    """Columns of one split as tensors on the device.

    Columns of the same dtype lie side by side in one matrix [N, C], so that a batch costs one gather a dtype however
    many features there are; what a batch holds are views of that gather.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], device: torch.device) -> None:
        assert columns, "at least one column"
        self._places: dict[str, tuple[torch.dtype, int, int | None]] = {}
        parts: dict[torch.dtype, list[np.ndarray]] = {}
        width: dict[torch.dtype, int] = {}
        for name, column in columns.items():
            dtype = torch.float32 if column.dtype.kind == "f" else torch.int32
            length = column.shape[1] if column.ndim == 2 else None
            start = width.get(dtype, 0)
            self._places[name] = (dtype, start, length)
            width[dtype] = start + (length or 1)
            parts.setdefault(dtype, []).append(column)
        self.num_rows = len(next(iter(columns.values())))
        self._matrices = {
            dtype: _side_by_side(blocks, self.num_rows, width[dtype], dtype).to(device)
            for dtype, blocks in parts.items()
        }
        self._device = device

    def __len__(self) -> int:
        return self.num_rows

    def all(self) -> Batch:
        """All rows, in order."""
        return self._views(self._matrices)

    def take(self, index: Tensor) -> Batch:
        """The rows [B] of the index, which lies on the device."""
        return self._views({dtype: matrix.index_select(0, index) for dtype, matrix in self._matrices.items()})

    def slice(self, start: int, stop: int) -> Batch:
        """The rows from `start` to before `stop`, without a copy."""
        return self._views({dtype: matrix[start:stop] for dtype, matrix in self._matrices.items()})

    def sample(self, most: int) -> Batch:
        """At most that many rows, evenly spread."""
        if self.num_rows <= most:
            return self.all()
        return self.take(torch.linspace(0, self.num_rows - 1, most, dtype=torch.float64).long().to(self._device))

    def num_batches(self, batch_size: int) -> int:
        """Batches of one pass. A single row that is left over joins the last batch: it has no variance to norm by."""
        whole, rest = divmod(self.num_rows, batch_size)
        return whole + (rest > 1 or (rest == 1 and whole == 0))

    def batches(self, batch_size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Batches of one pass: in a new random order by the generator, or in order without one."""
        last = self.num_batches(batch_size) - 1
        # Drawn on the CPU, so that the order is the same on every device.
        order = None if generator is None else torch.randperm(self.num_rows, generator=generator).to(self._device)
        for number in range(last + 1):
            start = number * batch_size
            stop = self.num_rows if number == last else start + batch_size
            yield self.slice(start, stop) if order is None else self.take(order[start:stop])

    def _views(self, matrices: Mapping[torch.dtype, Tensor]) -> Batch:
        batch: Batch = {}
        for name, (dtype, start, length) in self._places.items():
            matrix = matrices[dtype]
            batch[name] = matrix[:, start] if length is None else matrix[:, start : start + length]
        return batch


def _side_by_side(blocks: Sequence[np.ndarray], num_rows: int, width: int, dtype: torch.dtype) -> Tensor:
    kind = np.float32 if dtype == torch.float32 else np.int32
    if len(blocks) == 1 and blocks[0].ndim == 2:
        return torch.from_numpy(np.array(blocks[0], dtype=kind, order="C"))
    matrix = np.empty((num_rows, width), dtype=kind)
    start = 0
    for block in blocks:
        stop = start + (block.shape[1] if block.ndim == 2 else 1)
        matrix[:, start:stop] = block.reshape(num_rows, stop - start)
        start = stop
    return torch.from_numpy(matrix)
