"""Rows that are worth a look: where the model was most wrong. N rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ostinato.predictor import Predictor
from ostinato.report.page import short
from ostinato_components.evaluate.result import OutputResult

NUM_EXAMPLES = 12
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
    note = "Is the target of these rows right? Row: its number in the split, from 0. Inputs as the model sees them."
    return Examples("Largest errors", ["row", "actual", "predicted", "error", *names], cells, [0, 1, 2, 3], note)


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
    note = "Is the target of these rows right? Row: its number in the split, from 0. Inputs as the model sees them."
    return Examples("Surest mistakes", ["row", "actual", "predicted", "how sure", *names], cells, [0, 3], note)


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
    return ["–" if value is None else str(value) for value in column.to_pylist()]
