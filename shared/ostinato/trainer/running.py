"""The training loss between two evaluations."""

from __future__ import annotations

import time
from collections.abc import Mapping

from torch import Tensor

from ostinato.metrics.spec import COMBINED, LOSS
from ostinato.trainer.history import Metrics


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

    def rows_per_s(self) -> float:
        """Rows trained on in a second."""
        return self._num_rows / max(1e-9, time.monotonic() - self._started)
