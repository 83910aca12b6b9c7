"""What the report says of one output. N rows, K classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from markupsafe import Markup

from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.metrics.spec import METRICS
from ostinato.predictor import Predictor
from ostinato.report.page import percent, short
from ostinato_components.evaluate.charts import horizontal_bars
from ostinato_components.evaluate.curves import best_f1_threshold, operating_points
from ostinato_components.evaluate.drawing import (
    Figure,
    class_figures,
    distribution_figures,
    number_figures,
    set_figures,
)
from ostinato_components.evaluate.examples import Examples, Row, largest_errors, surest_mistakes, worst_rows
from ostinato_components.evaluate.importance import Importances
from ostinato_components.evaluate.result import OutputResult
from ostinato_components.evaluate.verdict import Verdict

MAX_FEATURES = 25
MAX_CLASSES = 50
_HEADLINES = {
    "number": ("r2", "root_mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error"),
    "binary": ("roc_auc", "accuracy", "f1", "log_loss"),
    "category": ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"),
    "category_distribution": ("log_loss", "total_variation", "accuracy"),
    "set": ("jaccard", "f1_micro", "f1", "accuracy", "hamming_loss"),
    "vector": ("r2", "root_mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error"),
}
_TITLES = {"r2": "R²", "roc_auc": "ROC AUC", "f1": "F1", "f1_micro": "F1 micro"}

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Tile:
    """A metric in large letters."""

    name: str
    value: str
    beside: str


@dataclass(frozen=True)
class MatrixCell:
    """Rows of one actual class with one predicted class."""

    count: int
    share: float


@dataclass(frozen=True)
class MatrixRow:
    """Rows of one actual class."""

    label: str
    cells: list[MatrixCell]
    total: int


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix."""

    labels: Sequence[str]
    rows: list[MatrixRow]


@dataclass(frozen=True)
class ImportanceChart:
    """The importance of the inputs for the output."""

    metric: str
    chart: Markup
    note: str


@dataclass(frozen=True)
class Section:
    """All of an output."""

    name: str
    type: str
    verdict: Verdict | None
    tiles: list[Tile]
    metrics: list[Row]
    importance: ImportanceChart | None
    figures: list[Figure] = field(default_factory=list)
    trivial: str = ""
    worst: Examples | None = None
    matrix: Matrix | None = None
    thresholds: list[Row] = field(default_factory=list)
    positive: str = ""
    classes: list[Row] = field(default_factory=list)
    classes_note: str = ""


def output_section(
    output: OutputResult, predictor: Predictor, inputs: Columns, importances: Importances, metric: str
) -> Section:
    """The output's part of the report; `inputs` are the encoded inputs of the same rows."""
    order = [importance.feature for importance in importances.by_output.get(output.spec.name, ())]
    section = Section(
        name=output.spec.name,
        type=output.spec.type,
        verdict=output.verdict,
        tiles=_tiles(output),
        metrics=_metrics(output),
        importance=_importance(output.spec.name, importances, metric),
    )
    if output.shape.kind in ("set", "vector", "distribution"):
        figures, trivial, symbols = _without_classes(output)
        worst = worst_rows(output, predictor, inputs, order)
        note = _most_frequent(output.shape.classes) if symbols else ""
        return replace(section, figures=figures, trivial=trivial, worst=worst, classes=symbols, classes_note=note)
    if not output.classes:
        actual, predicted = (_units(output, predictor, values) for values in (output.targets, output.scores))
        return replace(
            section,
            figures=number_figures(predicted, actual, output.spec.name),
            trivial="the mean of the training rows",
            worst=largest_errors(predictor, inputs, predicted, actual, order),
        )
    return replace(
        section,
        figures=class_figures(output) if output.is_known.any() else [],
        trivial="the shares of the classes among the training rows",
        worst=surest_mistakes(output, predictor, inputs, order),
        matrix=_matrix(output),
        thresholds=_thresholds(output),
        positive=output.classes[1] if output.positive else "",
        classes=_classes(output),
        classes_note=_most_frequent(output.classes),
    )


def _most_frequent(classes: Sequence[str]) -> str:
    return f"The {MAX_CLASSES} most frequent of {len(classes):,} classes." if len(classes) > MAX_CLASSES else ""


def _without_classes(output: OutputResult) -> tuple[list[Figure], str, list[Row]]:
    """Figures, what is predicted without a model, and a table of the symbols."""
    mean = "the mean of the training rows"
    match output.shape.kind:
        case "set":
            found, counts = list(output.symbols.items())[:MAX_CLASSES], output.shape.class_counts
            rows = [_class_row(name, values["rows"], values, counts[code]) for code, (name, values) in enumerate(found)]
            return set_figures(output), "the shares of the symbols among the training rows", rows
        case "distribution":
            return distribution_figures(output), mean, []
        case _:
            return number_figures(output.scores.reshape(-1), output.targets.reshape(-1), output.spec.name), mean, []


def _tiles(output: OutputResult) -> list[Tile]:
    return [
        Tile(
            _TITLES.get(name, name.replace("_", " ")),
            _figure(name, output.metrics[name]),
            f"trivial {_figure(name, output.baseline[name])}" if name in output.baseline else "",
        )
        for name in _HEADLINES[output.spec.type]
        if name in output.metrics
    ]


def _figure(name: str, value: float) -> str:
    # R² of the mean itself is 0 but for rounding; it has no units, so four decimals are always enough.
    return f"{round(value, 4) + 0.0:g}" if name == "r2" else short(value)


def _metrics(output: OutputResult) -> list[Row]:
    known = METRICS[output.spec.type]
    return [
        Row(
            (
                name,
                f"{value:.6g}",
                f"{output.baseline[name]:.6g}" if name in output.baseline else "",
                known[name].meaning if name in known else "",
            )
        )
        for name, value in output.metrics.items()
    ]


def _importance(name: str, importances: Importances, metric: str) -> ImportanceChart | None:
    found = importances.by_output.get(name, ())
    if not found:
        return None
    shown = found[:MAX_FEATURES]
    chart = horizontal_bars(
        [importance.feature for importance in shown],
        [importance.drop for importance in shown],
        [importance.deviation for importance in shown],
    )
    note = f"On {importances.rows:,} rows; the line is one standard deviation over shuffles."
    note += " An input that another one can stand in for looks less important than it is."
    if len(found) > len(shown):
        note += f" {len(found) - len(shown):,} less important inputs are not shown."
    if importances.left_out:
        note += f" There was no time to measure {len(importances.left_out):,} inputs."
    return ImportanceChart(_TITLES.get(metric, metric.replace("_", " ")), chart, note)


def _matrix(output: OutputResult) -> Matrix:
    labels, counts = output.counts.matrix()
    rows = []
    for label, line in zip(labels, counts, strict=True):
        total = int(line.sum())
        rows.append(MatrixRow(label, [MatrixCell(int(count), int(count) / max(total, 1)) for count in line], total))
    return Matrix(labels, rows)


def _thresholds(output: OutputResult) -> list[Row]:
    """Every tenth, the config's own threshold and the one with the highest F1."""
    if output.positive is None or output.roc is None or not isinstance(output.spec, BinaryOutputSpec):
        return []
    own, best = output.spec.threshold, best_f1_threshold(*output.positive)
    values = sorted({round(0.1 * step, 1) for step in range(1, 10)} | {own, best})
    notes = {own: "the config's", best: "highest F1"} if own != best else {own: "the config's, and highest F1"}
    return [
        Row(
            (
                f"{point.threshold:.3g}",
                "–" if point.precision is None else f"{point.precision:.3f}",
                f"{point.recall:.3f}",
                f"{point.f1:.3f}",
                f"{point.specificity:.3f}",
                f"{point.accuracy:.3f}",
                percent(point.share),
                notes.get(point.threshold, ""),
            ),
            here=point.threshold == own,
        )
        for point in operating_points(*output.positive, values)
    ]


def _classes(output: OutputResult) -> list[Row]:
    found = list(output.counts.per_class().items())[:MAX_CLASSES]
    return [
        _class_row(name, values["true_positives"] + values["false_negatives"], values, output.shape.class_counts[code])
        for code, (name, values) in enumerate(found)
    ]


def _class_row(name: str, rows: float, values: Mapping[str, float], training_rows: int) -> Row:
    shares = (f"{values[share]:.3f}" for share in ("precision", "recall", "f1_score"))
    return Row((name, f"{rows:,}", *shares, f"{training_rows:,}"))


def _units(output: OutputResult, predictor: Predictor, encoded: np.ndarray) -> np.ndarray:
    """[N] normalized -> [N] in the column's own units."""
    decoded = predictor.outputs[output.spec.name].decode(encoded, output.fitted)
    return np.asarray(decoded.to_numpy(zero_copy_only=False), dtype=np.float64)
