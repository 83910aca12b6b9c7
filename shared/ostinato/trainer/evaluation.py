"""Metrics of all outputs over the rows of a split, and whether they beat predicting the same for every row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.features.spec import OutputSpec
from ostinato.metrics.data import compute
from ostinato.metrics.spec import COMBINED, LOSS, METRICS
from ostinato.model.ecd import ECD
from ostinato.trainer.history import Metrics
from ostinato.trainer.rows import Rows


@dataclass(frozen=True)
class Evaluator:
    """Computes the metrics of a model's outputs."""

    config: Config
    fitted: Mapping[str, Fitted]
    batch_size: int
    most_batches: int | None = None
    """Batches that are looked at; None for all."""

    def logits(self, model: ECD, rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Logits and targets by output; the model is left in `eval`."""
        model.eval()
        logits: dict[str, list[Tensor]] = {}
        targets: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            for batch in itertools.islice(rows.batches(self.batch_size), self.most_batches):
                for name, value in model(batch).items():
                    logits.setdefault(name, []).append(value.float())
                for output in self.config.output_features:
                    targets.setdefault(output.name, []).append(batch[output.name])
            return _joined(logits), _joined(targets)

    def evaluate(self, model: ECD, rows: Rows) -> Metrics:
        """Metrics of each output, and the summed loss as `combined`; empty where there are no rows."""
        if not len(rows):
            return {}
        logits, targets = self.logits(model, rows)
        with torch.no_grad():
            # The members of an ensemble predict together, so what counts is the loss of their mean.
            losses = model.losses({name: _mean_of_members(value) for name, value in logits.items()}, targets)
            total = float(model.total_loss(losses))
            scores = {name: score.float().cpu().numpy() for name, score in model.scores(logits).items()}
        metrics: Metrics = {}
        for output in self.config.output_features:
            name = output.name
            encoded = targets[name].cpu().numpy()
            metrics[name] = compute(output, scores[name], encoded, self.fitted[name], loss=float(losses[name]))
        if math.isfinite(total):
            metrics[COMBINED] = {LOSS: total}
        return metrics


def _joined(parts: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    return {name: part[0] if len(part) == 1 else torch.cat(part) for name, part in parts.items()}


def _mean_of_members(logits: Tensor) -> Tensor:
    """[N, K] or [N, E, K] -> [N, K]."""
    return logits.mean(dim=1) if logits.ndim == 3 else logits


def trivial_scores(output: OutputSpec, training: np.ndarray, num_rows: int, num_classes: int) -> list[np.ndarray]:
    """Scores that predict the same for every row: the mean and the median of the training targets, or their shares."""
    if output.type == "number":
        return [np.full(num_rows, value, dtype=np.float32) for value in (np.mean(training), np.median(training))]
    known = training[training >= 0].astype(np.int64)
    shares = (np.bincount(known, minlength=max(2, num_classes)) / max(1, len(known))).astype(np.float32)
    if output.type == "binary":
        return [np.full(num_rows, shares[1], dtype=np.float32)]
    return [np.broadcast_to(shares, (num_rows, len(shares)))]


_JUDGES = {
    "number": ("mean_squared_error", "mean_absolute_error"),
    "binary": ("accuracy", "log_loss"),
    "category": ("accuracy", "log_loss"),
}
_CHANCE_AUC = 0.55
"""Up to here the order of the scores is taken for chance."""


def no_better_than_trivial(
    config: Config,
    fitted: Mapping[str, Fitted],
    metrics: Metrics,
    *,
    training: Mapping[str, np.ndarray],
    rows: Mapping[str, np.ndarray],
    num_classes: Mapping[str, int],
) -> list[str]:
    """A warning for each output whose `metrics` over `rows` are no better than predicting the same for every row.

    A model is better if any of its errors (squared or absolute; accuracy, log loss or ROC AUC) is. `training` and
    `rows` are encoded targets by output.
    """
    warnings = []
    for output in config.output_features:
        own = metrics.get(output.name, {})
        targets = rows[output.name]
        if not own or not len(targets) or _auc_says_better(own):
            continue
        constants = [
            compute(output, scores, targets, fitted[output.name])
            for scores in trivial_scores(output, training[output.name], len(targets), num_classes.get(output.name, 0))
        ]
        better = any(
            _beats(own[judge], [constant[judge] for constant in constants if judge in constant], output.type, judge)
            for judge in _JUDGES[output.type]
            if judge in own
        )
        if not better:
            warnings.append(_warning(output, own, constants))
    return warnings


def _auc_says_better(own: Mapping[str, float]) -> bool:
    return own.get("roc_auc", 0.0) > _CHANCE_AUC


def _beats(value: float, constants: Sequence[float], output_type: str, judge: str) -> bool:
    sign = 1 if METRICS[output_type][judge].objective == "maximize" else -1
    return all(sign * value > sign * constant for constant in constants)


def _warning(output: OutputSpec, own: Mapping[str, float], constants: Sequence[Mapping[str, float]]) -> str:
    judge = _JUDGES[output.type][0]
    what = "the mean of the training rows" if output.type == "number" else "the most frequent class"
    same = constants[0].get(judge)
    figures = (
        f" ({judge} {own[judge]:.4g}; predicting {what} for every row: {same:.4g})" if judge in own and same else ""
    )
    return (
        f"{output.name}: the model is no better than predicting {what}{figures}. The inputs may say nothing about "
        "it, or training went wrong: see the learning curves, and try another learning rate or more rows."
    )
