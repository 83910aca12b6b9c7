"""The step `evaluate`: a model over rows with targets. N rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ostinato import storage
from ostinato.artifacts import SplitName
from ostinato.column import Fitted, OutputColumn
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Problem
from ostinato.metrics.data import compute, has_symbol
from ostinato.metrics.spec import COMBINED, LOSS, UNKNOWN_TARGETS
from ostinato.predictor import Predictor, TorchNetwork, batches, joined
from ostinato.sources.blocks import in_order
from ostinato_components.evaluate.result import EvaluationResult, OutputResult

LOSS_ROWS = 65_536
"""Rows over which a loss is taken at once; more would need memory for the logits of every ensemble member."""
PREDICTION_ROWS = 65_536
"""Rows of a row group of `predictions.parquet`."""

Columns = Mapping[str, np.ndarray]


def run(
    model_folder: str,
    data_folder: str,
    *,
    split: SplitName = "test",
    report_path: str | None = None,
    metrics_path: str | None = None,
    predictions_path: str | None = None,
    batch_size: int | None = None,
    seed: int = 42,
) -> EvaluationResult:
    """Evaluates a model on a split of preprocessed data; writes what it is given a path for.

    Args:
        model_folder: that the train step wrote, or a bundle.
        data_folder: that the preprocess step wrote.
        split: which rows.
        report_path: HTML, one file.
        metrics_path: JSON as Ludwig's `test_statistics.json`.
        predictions_path: Parquet, columns as Ludwig names them.
        batch_size: most rows that go through the network at once; None leaves it to the network.
        seed: of the rows and orders of the feature importance.

    Raises:
        DataError: the split has no rows.
    """
    predictor = Predictor.load(model_folder)
    data = DataFolder(data_folder)
    if data.manifest.rows(split) == 0:
        filled = [name for name, shards in data.manifest.splits.items() if sum(shard.rows for shard in shards)]
        raise DataError(
            Problem(data_folder, f"has no rows in the split '{split}'", "a split with rows: " + ", ".join(filled))
        )
    names = [*predictor.inputs, *predictor.outputs]
    rows = data.read(split, names)
    training = data.read("training", list(predictor.outputs))
    inputs = {name: rows[name] for name in predictor.inputs}
    scores, losses = score(predictor, inputs, rows, batch_size)
    warnings = [] if split != "training" else ["these rows were trained on: metrics look better than they are"]
    result = measure(predictor, split, scores, rows, losses=losses, training=training, warnings=warnings)
    if metrics_path:
        write_statistics(result, metrics_path)
    if predictions_path:
        write_predictions(result, predictions_path)
    if report_path:
        from ostinato_components.evaluate.report import render_report

        html = render_report(result, inputs, model_folder, data.manifest, seed=seed)
        storage.write_bytes_atomic(report_path, html.encode())
    return result


def score(
    predictor: Predictor, inputs: Columns, targets: Columns, batch_size: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Scores of each output over all rows, and its loss, with the sum as `combined` (none from an ONNX network).

    A loss is the mean over its batches of 65,536 rows, weighted by their known targets: that of all rows at once,
    but for losses with a root.
    """
    num_rows = len(next(iter(inputs.values())))
    scores: dict[str, list[np.ndarray]] = {name: [] for name in predictor.outputs}
    sums = dict.fromkeys(predictor.outputs, 0.0)
    weights = dict.fromkeys(predictor.outputs, 0)
    network = predictor.network
    for start in range(0, num_rows, LOSS_ROWS):
        rows = slice(start, start + LOSS_ROWS)
        some = {name: column[rows] for name, column in inputs.items()}
        if isinstance(network, TorchNetwork):
            wanted = {name: targets[name][rows] for name in predictor.outputs}
            found, losses = _score_by_torch(network, some, wanted, batch_size)
            for name, loss in losses.items():
                known = _num_known(predictor, name, wanted[name])
                sums[name] += loss * known
                weights[name] += known
        else:
            found = joined(map(network.scores, batches(some, batch_size or num_rows)))
        for name, values in found.items():
            scores[name].append(values)
    means = {name: sums[name] / weights[name] for name in predictor.outputs if weights[name]}
    if len(means) == len(predictor.outputs):
        means[COMBINED] = sum(means[spec.name] * spec.loss.weight for spec in predictor.config.output_features)
    return {name: np.concatenate(parts) for name, parts in scores.items()}, means


def _score_by_torch(
    network: TorchNetwork, inputs: Columns, targets: Columns, batch_size: int | None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    import torch

    pieces = batches(inputs, batch_size) if batch_size else network.batches(inputs)
    with torch.inference_mode():
        with network.side_by_side():
            parts = list(in_order(network.logits, pieces))
        logits = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        wanted = {name: torch.tensor(values, device=network.device) for name, values in targets.items()}
        # Members of an ensemble predict together, so what counts is the loss of their mean, as in training.
        mean = {name: value.mean(dim=1) if value.ndim == 3 else value for name, value in logits.items()}
        losses = {name: float(loss) for name, loss in network.model.losses(mean, wanted).items()}
        return {name: value.float().cpu().numpy() for name, value in network.model.scores(logits).items()}, losses


def _num_known(predictor: Predictor, name: str, targets: np.ndarray) -> int:
    """Rows with a target that training knew: those that the loss is a mean of."""
    is_class = predictor.outputs[name].shape(predictor.fitted[name]).kind in ("binary", "code")
    return int(np.count_nonzero(targets >= 0)) if is_class else len(targets)


def measure(
    predictor: Predictor,
    split: str,
    scores: Columns,
    targets: Columns,
    *,
    losses: Mapping[str, float],
    training: Columns | None,
    warnings: Sequence[str] = (),
) -> EvaluationResult:
    """Metrics of scores [N] or [N, K] against encoded targets [N] or [N, T].

    `training` are targets for the trivial baseline.
    """
    found = list(warnings)
    outputs: dict[str, OutputResult] = {}
    for spec in predictor.config.output_features:
        name = spec.name
        fitted = predictor.fitted[name]
        shape = predictor.outputs[name].shape(fitted)
        metrics = compute(spec, scores[name], targets[name], fitted, loss=losses.get(name))
        baseline: dict[str, float] = {}
        if training is not None:
            trivial = trivial_scores(predictor.outputs[name], fitted, training[name], len(targets[name]))
            baseline = compute(spec, trivial, targets[name], fitted)
        if metrics.get(UNKNOWN_TARGETS):
            count = int(metrics[UNKNOWN_TARGETS])
            found.append(
                f"{name}: {count:,} of {len(targets[name]):,} rows have a target that no training row had; "
                "each counts as wrong"
            )
        if not np.isfinite(scores[name]).all():
            found.append(f"{name}: some predictions are not finite, so that no metric is defined")
        outputs[name] = OutputResult(spec, fitted, shape, scores[name], targets[name], metrics, baseline)
        verdict = outputs[name].verdict
        if verdict is not None and verdict.level == "bad":
            found.append(f"{name}: {verdict.text[0].lower()}{verdict.text[1:]}")
    combined = {LOSS: losses[COMBINED]} if np.isfinite(losses.get(COMBINED, np.nan)) else {}
    num_rows = len(next(iter(targets.values())))
    return EvaluationResult(split, num_rows, outputs, combined, predictor, tuple(found))


def trivial_scores(column: OutputColumn[Any, Any], fitted: Fitted, training: np.ndarray, num_rows: int) -> np.ndarray:
    """The mean of the encoded training targets, or the shares of their classes, for every row: [N] or [N, K].

    Of a set the share of the rows that have a symbol, for each.
    """
    shape = column.shape(fitted)
    if shape.kind == "number":
        # In the column's own units: on a logarithmic scale the mean of the logarithms is another number.
        mean = pc.mean(column.decode(training, fitted)).cast(pa.float64())
        return np.repeat(column.encode(pa.array([mean.as_py()], column.arrow_type), fitted), num_rows)
    if shape.kind in ("vector", "distribution", "set"):
        rows = has_symbol(training, shape.vocab_size) if shape.kind == "set" else training
        return np.broadcast_to(rows.mean(axis=0, dtype=np.float64).astype(np.float32), (num_rows, shape.num_scores))
    known = training[training >= 0].astype(np.int64)
    shares = (np.bincount(known, minlength=len(shape.classes)) / max(len(known), 1)).astype(np.float32)
    if shape.kind == "binary":
        return np.full(num_rows, shares[1])
    return np.broadcast_to(shares, (num_rows, len(shares)))


def write_statistics(result: EvaluationResult, path: str) -> None:
    """`test_statistics.json`."""
    text = json.dumps(result.statistics, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    storage.write_bytes_atomic(path, text.encode())


def write_predictions(result: EvaluationResult, path: str) -> None:
    """`predictions.parquet`, some rows at a time."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    schema = result.predictor.predictions(result.scores(slice(0, 0))).schema
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for start in range(0, result.rows, PREDICTION_ROWS):
            part = result.predictor.predictions(result.scores(slice(start, start + PREDICTION_ROWS)))
            writer.write_table(part.cast(schema))
    storage.write_bytes_atomic(path, sink.getvalue().to_pybytes())
