"""The charts of one output, by type. N rows, K classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from ostinato.metrics.data import has_symbol
from ostinato_components.evaluate.charts import Axis, Series, histogram, horizontal_bars, plot, thin
from ostinato_components.evaluate.curves import CalibrationCurve, calibration_curve
from ostinato_components.evaluate.result import OutputResult

MAX_BARS = 25


@dataclass(frozen=True)
class Figure:
    """A chart with what it says."""

    title: str
    chart: Markup
    note: str = ""


def class_figures(output: OutputResult) -> list[Figure]:
    """ROC, precision and recall, calibration, scores by class; what is not defined is left out."""
    figures = []
    if output.roc is not None and output.positive is not None:
        line = Series(output.roc.false_positive_rate, output.roc.true_positive_rate)
        axes = (Axis("false positive rate", 0.0, 1.0), Axis("true positive rate", 0.0, 1.0))
        area = output.metrics.get("roc_auc")
        note = f"Area {area:.3f}; " if area is not None else ""
        figures.append(
            Figure("ROC curve", plot([line], *axes, diagonal=True), f"{note}the dashed line is chance (0.5).")
        )
    if output.precision_recall is not None and output.positive is not None:
        curve = output.precision_recall
        prevalence = float(output.positive[1].mean())
        chance = Series(np.array([0.0, 1.0]), np.full(2, prevalence), "chance", tone=3)
        line = Series(curve.recall, curve.precision, "model")
        chart = plot([chance, line], Axis("recall", 0.0, 1.0), Axis("precision", 0.0, 1.0))
        average = output.metrics.get("average_precision")
        note = f"Average precision {average:.3f}; " if average is not None else ""
        figures.append(Figure("Precision and recall", chart, f"{note}chance is {prevalence:.3f}."))
    if output.calibration is not None:
        bins = output.calibration
        which = (
            f"predicted probability of '{output.classes[1]}'" if output.positive else "probability of the prediction"
        )
        figures.append(_calibration(bins, which, f", Brier score {output.brier:.3f}"))
    if output.positive is not None:
        scores, is_true = output.positive
        sets = [(f"{output.classes[0]}", scores[~is_true]), (f"{output.classes[1]}", scores[is_true])]
        chart = histogram([found for found in sets if len(found[1])], Axis("predicted probability", 0.0, 1.0))
        figures.append(Figure("Scores by actual class", chart, "The less the colours overlap, the better."))
    else:
        best = output.scores.max(axis=1)
        right = output.predicted == output.targets
        sets = [("right", best[right]), ("wrong", best[~right])]
        chart = histogram([found for found in sets if len(found[1])], Axis("probability of the prediction", 0.0, 1.0))
        figures.append(Figure("Confidence", chart, "Wrong predictions should be unsure ones."))
    return figures


def _calibration(bins: CalibrationCurve, which: str, beside: str = "") -> Figure:
    sizes = 2.0 + 5.0 * np.sqrt(bins.counts / bins.counts.max())
    line = Series(bins.confidence, bins.frequency, kind="both", sizes=sizes)
    chart = plot([line], Axis(which, 0.0, 1.0), Axis("how often it came true", 0.0, 1.0), diagonal=True)
    note = f"Expected calibration error {bins.expected_error:.3f}{beside}. "
    return Figure("Calibration", chart, f"{note}Above the diagonal: too careful; below: too sure.")


def set_figures(output: OutputResult) -> list[Figure]:
    """Calibration and probabilities over all symbols of all rows; sizes of the sets."""
    has = has_symbol(output.targets, output.shape.vocab_size)
    scores, is_there = thin(output.scores.reshape(-1), has.reshape(-1))
    sets = [("symbols that a row has", scores[is_there]), ("symbols that it has not", scores[~is_there])]
    chart = histogram([found for found in sets if len(found[1])], Axis("predicted probability", 0.0, 1.0))
    return [
        _calibration(calibration_curve(scores, is_there), "predicted probability of a symbol"),
        Figure("Probabilities of symbols", chart, "The less the colours overlap, the better."),
    ]


def distribution_figures(output: OutputResult) -> list[Figure]:
    """Predicted against true probabilities, of all classes together and of each of the first ones."""
    predicted, actual = thin(output.scores.reshape(-1), output.targets.reshape(-1))
    axes = (Axis("true probability", 0.0, 1.0), Axis("predicted probability", 0.0, 1.0))
    whole = plot([Series(actual, predicted, kind="points")], *axes, diagonal=True)
    names = output.shape.classes[:MAX_BARS]
    wrong = np.abs(output.scores - output.targets).mean(axis=0)[:MAX_BARS]
    bars = horizontal_bars(list(names), wrong.tolist(), [0.0] * len(names))
    return [
        Figure("Predicted and true probabilities", whole, "On the diagonal the prediction is right."),
        Figure("Mean error of the probability by class", bars),
    ]


def number_figures(predicted: np.ndarray, actual: np.ndarray, name: str) -> list[Figure]:
    """Predicted against actual, residuals, residuals against predictions, for [N] in units."""
    residual = predicted - actual
    some_predicted, some_actual, some_residual = thin(predicted, actual, residual)
    low, high = _range(np.concatenate([some_predicted, some_actual]))
    limit = float(np.quantile(np.abs(residual), 0.995)) or 1.0
    sampled = f" {len(some_actual):,} of {len(actual):,} rows." if len(some_actual) < len(actual) else ""
    return [
        Figure(
            "Predicted and actual",
            plot(
                [Series(some_actual, some_predicted, kind="points")],
                Axis(f"actual {name}", low, high),
                Axis("predicted", low, high),
                diagonal=True,
            ),
            f"On the diagonal the prediction is right.{sampled}",
        ),
        Figure(
            "Errors",
            histogram([("", residual)], Axis("predicted − actual", -limit, limit)),
            f"Mean {np.mean(residual):.4g}, median {np.median(residual):.4g}; the outermost bins hold the rest.",
        ),
        Figure(
            "Errors by prediction",
            plot(
                [Series(some_predicted, np.clip(some_residual, -limit, limit), kind="points")],
                Axis(f"predicted {name}"),
                Axis("predicted − actual", -limit, limit),
                zero=True,
            ),
            f"A pattern here is something the model has not learned.{sampled}",
        ),
        _quantiles(predicted, actual, name),
    ]


def _quantiles(predicted: np.ndarray, actual: np.ndarray, name: str) -> Figure:
    """Mean actual value in ten groups of rising prediction: the calibration of a number."""
    groups = [group for group in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(group)]
    x = np.array([predicted[group].mean() for group in groups])
    y = np.array([actual[group].mean() for group in groups])
    low, high = _range(np.concatenate([x, y]))
    chart = plot(
        [Series(x, y, kind="both")],
        Axis(f"mean prediction of {name}", low, high),
        Axis("mean actual", low, high),
        diagonal=True,
    )
    return Figure(
        "Tenths of the rows", chart, "Ten groups of rows by prediction: on the diagonal it is right on average."
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin
