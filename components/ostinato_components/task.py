"""What a step is when KFP runs it: how it logs, how it ends, what the run page shows of its result."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ostinato.errors import ConfigError, DataError, GateError, Interrupted, OstinatoError, Problem

ERROR_FILE = "OSTINATO_ERROR_FILE"
"""Environment variable: where a step writes its error for the local runner; unset in a pod."""
ERRORS: dict[int, type[OstinatoError]] = {
    error.exit_code: error for error in (OstinatoError, ConfigError, DataError, Interrupted, GateError)
}
MOST_CURVE_POINTS = 200
MOST_CLASSES = 50


class Metrics(Protocol):
    """The part of KFP's `Metrics` that is used here."""

    def log_metric(self, metric: str, value: float) -> None:
        """Adds a figure to the run page."""


class ClassificationMetrics(Protocol):
    """The part of KFP's `ClassificationMetrics` that is used here."""

    def log_confusion_matrix(self, categories: list[str], matrix: list[list[int]]) -> None:
        """Adds the matrix to the run page."""

    def log_roc_curve(self, fpr: list[float], tpr: list[float], threshold: list[float]) -> None:
        """Adds the curve to the run page."""


@contextlib.contextmanager
def task() -> Iterator[None]:
    """Plain lines in the log; an error of the user ends the process with its exit code and without a traceback."""
    log_plainly()
    try:
        yield
    except OstinatoError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(Interrupted.exit_code)


def log_plainly() -> None:
    """Lines of the logger `ostinato` go to standard output as they are, not with the prefix of KFP's executor."""
    logger = logging.getLogger("ostinato")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def report(error: OstinatoError) -> None:
    """Hands the error to the local runner if that is who asked, else prints it."""
    path = os.environ.get(ERROR_FILE)
    if path is None:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return
    problems = [[problem.where, problem.message, problem.allowed, problem.hint] for problem in error.problems]
    Path(path).write_text(json.dumps({"exit_code": error.exit_code, "problems": problems}), encoding="utf-8")


def reported(path: str) -> OstinatoError | None:
    """The error that a step handed over, with the same class; None where there is none."""
    file = Path(path)
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return ERRORS[found["exit_code"]](Problem(*fields) for fields in found["problems"])


def log_metrics(metrics: Metrics, statistics: Mapping[str, object]) -> None:
    """`feature.metric` for each number in {feature: {metric: value}}.

    KFP fails a task, after its work is done, on NaN and infinity: they are left out.
    """
    for feature, values in statistics.items():
        if not isinstance(values, Mapping):
            continue
        for name, value in values.items():
            if isinstance(value, int | float) and math.isfinite(value):
                metrics.log_metric(f"{feature}.{name}", float(value))


def log_confusion_matrix(
    metrics: ClassificationMetrics, classes: Sequence[str], matrix: Sequence[Sequence[int]]
) -> None:
    """[K, K] counts, rows are the truth. Of many classes the first ones: the page draws every cell."""
    shown = list(classes[:MOST_CLASSES])
    if shown:
        cells = [[int(count) for count in row[:MOST_CLASSES]] for row in matrix[:MOST_CLASSES]]
        metrics.log_confusion_matrix(shown, cells)


def log_roc_curve(
    metrics: ClassificationMetrics, fpr: Sequence[float], tpr: Sequence[float], thresholds: Sequence[float]
) -> None:
    """The curve, thinned; scikit-learn's first threshold is infinity, which KFP's JSON can't hold: it becomes 1."""
    points = [
        (float(x), float(y), min(float(threshold), 1.0))
        for x, y, threshold in zip(fpr, tpr, thresholds, strict=True)
        if math.isfinite(x) and math.isfinite(y) and not math.isnan(threshold)
    ]
    step = max(1, math.ceil(len(points) / MOST_CURVE_POINTS))
    thinned = points[:-1:step] + points[-1:]
    if thinned:
        metrics.log_roc_curve([x for x, _, _ in thinned], [y for _, y, _ in thinned], [t for _, _, t in thinned])
