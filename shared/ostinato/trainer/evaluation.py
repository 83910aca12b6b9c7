"""Metrics of all outputs over the rows of a split."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.metrics.data import compute
from ostinato.metrics.spec import COMBINED, LOSS
from ostinato.model.ecd import ECD
from ostinato.trainer.history import Metrics
from ostinato.trainer.processes import ALONE, Processes
from ostinato.trainer.rows import Rows


class Stopped(Exception):
    """An evaluation was broken off, because training is to end now."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Evaluator:
    """Computes the metrics of a model's outputs."""

    config: Config
    fitted: Mapping[str, Fitted]
    batch_size: int
    """Rows of a batch over all processes."""
    most_batches: int | None = None
    """Batches that are looked at; None for all."""
    processes: Processes = ALONE
    is_stopped: Callable[[], bool] = _never
    """Asked before each batch; the same on every process."""

    def logits(self, model: ECD, rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits and targets of all rows by output, on every process; the model is left in `eval`.

        Raises:
            Stopped: `is_stopped` said so.
        """
        model.eval()
        logits: dict[str, list[Tensor]] = {}
        targets: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            for batch in itertools.islice(rows.batches(self.batch_size), self.most_batches):
                if self.is_stopped():
                    raise Stopped
                for name, value in model(batch).items():
                    logits.setdefault(name, []).append(value.float())
                for output in self.config.output_features:
                    targets.setdefault(output.name, []).append(batch[output.name])
            return self._joined(logits), self._joined(targets)

    def scores(self, model: ECD, rows: Rows) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Scores, as `OutputColumn.predictions` takes them, and encoded targets by output."""
        logits, targets = self.logits(model, rows)
        with torch.no_grad():
            scores = model.scores(logits)
        return _arrays(scores), _arrays(targets)

    def evaluate(self, model: ECD, rows: Rows) -> Metrics:
        """Metrics of each output, and the summed loss as `combined`; empty where there are no rows.

        Computed from the scores of all rows, so they are exact however many processes there are.
        """
        if not len(rows):
            return {}
        logits, targets = self.logits(model, rows)
        return self.processes.told(self._metrics(model, logits, targets) if self.processes.is_first else {})

    def _metrics(self, model: ECD, logits: dict[str, Tensor], targets: dict[str, Tensor]) -> Metrics:
        with torch.no_grad():
            # The members of an ensemble predict together, so what counts is the loss of their mean.
            losses = model.losses({name: _mean_of_members(value) for name, value in logits.items()}, targets)
            total = float(model.total_loss(losses))
            scores, encoded = _arrays(model.scores(logits)), _arrays(targets)
        metrics: Metrics = {}
        for output in self.config.output_features:
            name = output.name
            metrics[name] = compute(output, scores[name], encoded[name], self.fitted[name], loss=float(losses[name]))
        if math.isfinite(total):
            metrics[COMBINED] = {LOSS: total}
        return metrics

    def _joined(self, parts: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
        whole = {name: part[0] if len(part) == 1 else torch.cat(part) for name, part in parts.items()}
        return {name: self.processes.joined(value) for name, value in whole.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


def _mean_of_members(logits: Tensor) -> Tensor:
    """[N, K] or [N, E, K] -> [N, K]."""
    return logits.mean(dim=1) if logits.ndim == 3 else logits
