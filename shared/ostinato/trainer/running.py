"""The training loss between two evaluations."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from ostinato.metrics.spec import COMBINED, LOSS
from ostinato.resources import peak_memory
from ostinato.trainer.history import Metrics

Item = TypeVar("Item")


class RunningLoss:
    """Losses since the last evaluation, summed on the device so that nothing waits for it."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._losses: dict[str, Tensor] = {}
        self._num_rows = 0
        self._started = time.monotonic()

    def add(self, total: Tensor, losses: Mapping[str, Tensor], num_rows: int) -> None:
        """The losses of one batch."""
        self._num_rows += num_rows
        self._total = total * num_rows if self._total is None else self._total + total * num_rows
        for name, loss in losses.items():
            before = self._losses.get(name)
            self._losses[name] = loss * num_rows if before is None else before + loss * num_rows

    def metrics(self) -> Metrics:
        """Means over the rows."""
        assert self._total is not None, "an evaluation follows a step"
        metrics: Metrics = {name: {LOSS: float(loss) / self._num_rows} for name, loss in self._losses.items()}
        metrics[COMBINED] = {LOSS: float(self._total) / self._num_rows}
        return metrics

    def state(self) -> dict[str, Any]:
        """The sums so far."""
        return {"total": self._total, "losses": self._losses, "num_rows": self._num_rows}

    def load(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Goes on from what `state` gave."""
        total = state["total"]
        self._total = None if total is None else total.to(device)
        self._losses = {name: loss.to(device) for name, loss in state["losses"].items()}
        self._num_rows = state["num_rows"]

    def rows_per_s(self) -> float:
        """Rows trained on in a second."""
        return self._num_rows / max(1e-9, time.monotonic() - self._started)


class Speed:
    """How fast training is, and how long it waits for data."""

    def __init__(self) -> None:
        self.rows = 0
        """Rows trained on, over all processes."""
        self.evaluated_s = 0.0
        """Seconds of evaluations."""
        self._waited_s = 0.0
        self._started = time.monotonic()

    def waited_for(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time they take to come is counted."""
        iterator = iter(items)
        while True:
            started = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._waited_s += time.perf_counter() - started
            yield item

    def rows_per_s(self) -> float:
        """Rows trained on in a second, evaluations not counted."""
        return self.rows / self._training_s()

    def data_wait_share(self) -> float:
        """Share of the training time in which nothing but data was waited for."""
        return min(1.0, self._waited_s / self._training_s())

    def _training_s(self) -> float:
        return max(1e-9, time.monotonic() - self._started - self.evaluated_s)


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory that was in use: of the GPU, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_memory()
