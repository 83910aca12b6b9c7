"""Where the encoded rows lie while training: on the device, in the memory of the machine, or on disk."""

from __future__ import annotations

import torch

from ostinato.artifacts import SplitName
from ostinato.config import Config
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Problem
from ostinato.resources import host_memory
from ostinato.trainer.batch_size import device_memory
from ostinato.trainer.on_device import RowsToDevice
from ostinato.trainer.processes import Processes
from ostinato.trainer.rows import Rows, RowsInMemory
from ostinato.trainer.streamed_rows import StreamedRows

_DEVICE_SHARE = 0.5
"""Share of the device's memory that rows may take; the rest is for the network and its activations."""
_WINDOW_SHARE = 0.1
"""Share of the machine's memory that the rows in memory may take where not all fit."""
_BYTES = 4
"""Of a value: float32 or int32."""


class RowsOfFolder:
    """Gives the rows of a data folder in the way that suits their number and the machine."""

    def __init__(self, data: DataFolder, config: Config, processes: Processes) -> None:
        """Raises DataError where there are no training rows, or fewer than the processes need."""
        check_rows(data, processes)
        self._data = data
        self._processes = processes
        self._names = [feature.name for feature in (*config.input_features, *config.output_features)]
        self._row_bytes = _BYTES * sum(shape.length or 1 for shape in data.shapes(config).values())
        self._wanted = config.backend.trainer.rows_in_memory
        total = data.manifest.rows("training") + data.manifest.rows("validation")
        self.is_streamed = total > self._most_rows()
        """Whether the rows stay on disk."""

    def of(self, *splits: SplitName) -> Rows:
        """The rows of the splits, one after another."""
        device, cpu = self._processes.device, torch.device("cpu")
        if self.is_streamed:
            streamed = StreamedRows(
                self._data,
                splits,
                self._names,
                window_rows=max(1, self._window() // 2),
                lanes=(self._processes.rank,),
                num_lanes=self._processes.size,
            )
            return streamed if device == cpu else RowsToDevice(streamed, device)
        rows = sum(self._data.manifest.rows(split) for split in splits)
        if device == cpu or rows * self._row_bytes <= _DEVICE_SHARE * device_memory(device):
            return RowsInMemory.read(self._data, splits, self._names, self._processes, device)
        return RowsToDevice(RowsInMemory.read(self._data, splits, self._names, self._processes, cpu), device)

    def _most_rows(self) -> int:
        """Rows that may lie in the memory of the machine on each process."""
        if isinstance(self._wanted, int):
            return self._wanted
        return int(_DEVICE_SHARE * host_memory() / self._processes.local_size / self._row_bytes)

    def _window(self) -> int:
        """Rows in memory at once where not all are."""
        if isinstance(self._wanted, int):
            return self._wanted
        return int(_WINDOW_SHARE * host_memory() / self._processes.local_size / self._row_bytes)


def check_rows(data: DataFolder, processes: Processes) -> None:
    """Whether there is something to train on.

    Raises:
        DataError: there are no training rows, or not two for each process.
    """
    rows = data.manifest.rows("training")
    if not rows:
        hint = "see preprocessing.split, and the report of the data"
        raise DataError(Problem("", "there are no training rows", hint=hint))
    if processes.size > 1 and rows < 2 * processes.size:
        message = f"there are {rows} training rows for {processes.size} processes"
        raise DataError(Problem("", message, "at least two for each", "use fewer: backend.trainer.num_workers"))
