"""Rows that are worth a look: where the model was most wrong. N rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ostinato.metrics.data import has_symbol
from ostinato.predictor import Predictor
from ostinato.report.page import short
from ostinato_components.evaluate.result import OutputResult

NUM_EXAMPLES = 12
MAX_LIST = 12
_TINY = float(np.finfo(np.float32).tiny)
_NOTE = "Is the target of these rows right? Row: its number in the split, from 0. Inputs as the model sees them."
MAX_EXAMPLE_INPUTS = 8

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: Sequence[str]
    here: bool = False
    """Whether it is marked."""


@dataclass(frozen=True)
class Examples:
    """Rows of the data that are worth a look."""

    title: str
    columns: list[str]
    rows: list[Row]
    numeric: list[int]
    note: str


def largest_errors(
    predictor: Predictor, inputs: Columns, predicted: np.ndarray, actual: np.ndarray, order: Sequence[str]
) -> Examples:
    """Rows with the largest errors of a number, for [N] in units; `order` names the most important inputs first."""
    rows = np.argsort(-np.abs(predicted - actual), kind="stable")[:NUM_EXAMPLES]
    names, values = _raw(predictor, inputs, rows, order)
    cells = [
        Row((f"{row:,}", short(actual[row]), short(predicted[row]), short(predicted[row] - actual[row]), *line))
        for row, line in zip(rows, values, strict=True)
    ]
    return Examples("Largest errors", ["row", "actual", "predicted", "error", *names], cells, [0, 1, 2, 3], _NOTE)


def surest_mistakes(
    output: OutputResult, predictor: Predictor, inputs: Columns, order: Sequence[str]
) -> Examples | None:
    """Rows whose wrong class was predicted with the highest probability; None where no row is wrong."""
    scores = output.scores
    sure = np.where(output.predicted == 1, scores, 1 - scores) if scores.ndim == 1 else scores.max(axis=1)
    wrong = np.flatnonzero(output.predicted != output.targets)
    if not len(wrong):
        return None
    rows = wrong[np.argsort(-sure[wrong], kind="stable")[:NUM_EXAMPLES]]
    names, values = _raw(predictor, inputs, rows, order)
    cells = []
    for row, line in zip(rows, values, strict=True):
        target = int(output.targets[row])
        actual = output.classes[target] if target >= 0 else "(unknown)"
        cells.append(Row((f"{row:,}", actual, output.classes[output.predicted[row]], f"{sure[row]:.3f}", *line)))
    return Examples("Surest mistakes", ["row", "actual", "predicted", "how sure", *names], cells, [0, 3], _NOTE)


def worst_rows(output: OutputResult, predictor: Predictor, inputs: Columns, order: Sequence[str]) -> Examples:
    """Rows with the largest errors of a vector or distribution, or the highest cross entropy of a set."""
    column, name = predictor.outputs[output.spec.name], output.spec.name
    shown = f"{name}_predictions" if output.shape.kind in ("set", "vector") else f"{name}_probabilities"
    if output.shape.kind == "set":
        has = has_symbol(output.targets, output.shape.vocab_size)
        errors = -np.log(np.maximum(np.where(has, output.scores, 1 - output.scores), _TINY)).mean(axis=1)
    else:
        errors = np.abs(output.scores - output.targets).mean(axis=1)
    rows = np.argsort(-errors, kind="stable")[:NUM_EXAMPLES]
    names, values = _raw(predictor, inputs, rows, order)
    actual = _texts(column.decode(output.targets[rows], output.fitted))
    predicted = _texts(column.predictions(output.scores[rows], output.fitted)[shown])
    cells = [
        Row((f"{row:,}", *both, f"{errors[row]:.4g}", *line))
        for row, both, line in zip(rows, zip(actual, predicted, strict=True), values, strict=True)
    ]
    return Examples("Largest errors", ["row", "actual", "predicted", "error", *names], cells, [0, 3], _NOTE)


def _raw(
    predictor: Predictor, inputs: Columns, rows: np.ndarray, order: Sequence[str]
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Names of the most important inputs, and their values in some rows as text."""
    names = _shown(predictor, order)
    columns = [predictor.inputs[name].decode(inputs[name][rows], predictor.fitted[name]) for name in names]
    return names, list(zip(*(_texts(column) for column in columns), strict=True))


def _shown(predictor: Predictor, order: Sequence[str]) -> list[str]:
    """The most important inputs, in the order of the config; those that were not measured come last."""
    ranks = {name: rank for rank, name in enumerate(order)}
    best = sorted(predictor.inputs, key=lambda name: ranks.get(name, len(ranks)))[:MAX_EXAMPLE_INPUTS]
    return [name for name in predictor.inputs if name in set(best)]


def _texts(column: pa.Array) -> list[str]:
    """[N] values as text; of numbers as many digits as float32 keeps."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False)
        noise = 1e-6 * np.nanmax(np.abs(values), initial=0.0)
        return [short(0.0 if abs(value) < noise else value) for value in values]
    return ["–" if value is None else _text(value) for value in column.to_pylist()]


def _text(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    shown = " ".join(each if isinstance(each, str) else short(each) for each in value[:MAX_LIST])
    return f"{shown} … ({len(value):,} in all)" if len(value) > MAX_LIST else shown
