"""Batches of rows that lie in the memory of the machine, brought to the GPU while it works on those before."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ostinato.ahead import made_ahead
from ostinato.trainer.rows import Batch, Rows

_AHEAD = 2
"""Batches that wait in page-locked memory."""


class RowsToDevice(Rows):
    """Rows whose batches are made in a thread, in page-locked memory, and copied without waiting."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self._rows = rows
        self._device = device
        self.num_rows = rows.num_rows

    def sample(self, most: int) -> Batch:
        """At most that many rows."""
        return {name: column.to(self._device) for name, column in self._rows.sample(most).items()}

    def num_batches(self, batch_size: int) -> int:
        """Batches of one pass."""
        return self._rows.num_batches(batch_size)

    def batch_rows(self, batch_size: int, number: int) -> int:
        """Rows of a batch over all processes."""
        return self._rows.batch_rows(batch_size, number)

    def batches(self, batch_size: int, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """This process's share of the batches of one pass, on the device."""
        pinned = (
            {name: self._pinned(column) for name, column in batch.items()}
            for batch in self._rows.batches(batch_size, generator, start)
        )
        for batch in made_ahead(pinned, _AHEAD):
            yield {name: column.to(self._device, non_blocking=True) for name, column in batch.items()}

    def _pinned(self, column: torch.Tensor) -> torch.Tensor:
        # Page-locked memory is CUDA's; a test runs without.
        return column.contiguous().pin_memory() if self._device.type == "cuda" else column
