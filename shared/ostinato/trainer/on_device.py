"""Batches of rows that lie in the memory of the machine, brought to the GPU while it works on those before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import torch

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
        waiting: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
        is_over = threading.Event()

        def put(item: Batch | BaseException | None) -> None:
            while not is_over.is_set():
                try:
                    waiting.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return

        def make() -> None:
            try:
                for batch in self._rows.batches(batch_size, generator, start):
                    put({name: self._pinned(column) for name, column in batch.items()})
                    if is_over.is_set():
                        return
                put(None)
            except BaseException as error:  # noqa: BLE001  # raised again where the batches are taken
                put(error)

        thread = threading.Thread(target=make, name="batches", daemon=True)
        thread.start()
        try:
            while (item := waiting.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield {name: column.to(self._device, non_blocking=True) for name, column in item.items()}
        finally:
            is_over.set()
            thread.join()

    def _pinned(self, column: torch.Tensor) -> torch.Tensor:
        # Page-locked memory is CUDA's; a test runs without.
        return column.contiguous().pin_memory() if self._device.type == "cuda" else column
