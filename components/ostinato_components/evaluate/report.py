"""The report: one HTML file without script, in the page's light or dark theme. N rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ostinato import __version__, storage
from ostinato.artifacts import TRAINING_STATISTICS, Manifest
from ostinato.config import Config
from ostinato.errors import DataError
from ostinato.load import render
from ostinato.metrics.data import compute
from ostinato.metrics.spec import COMBINED, LOSS, canonical, objective
from ostinato.report import page
from ostinato_components.evaluate.charts import Axis, Series, plot
from ostinato_components.evaluate.drawing import Figure
from ostinato_components.evaluate.examples import Row
from ostinato_components.evaluate.importance import Importances, permutation_importance
from ostinato_components.evaluate.result import EvaluationResult
from ostinato_components.evaluate.sections import output_section

HEADLINE = {
    "number": "r2",
    "binary": "roc_auc",
    "category": "accuracy",
    "category_distribution": "log_loss",
    "set": "jaccard",
    "vector": "r2",
}
"""The metric of each type by which inputs are weighed and training is shown, where the config names none."""

Columns = Mapping[str, np.ndarray]


def render_report(
    result: EvaluationResult, inputs: Columns, model_folder: str, manifest: Manifest, *, seed: int = 42
) -> str:
    """The HTML of an evaluation.

    Args:
        result: what was found out.
        inputs: encoded inputs of the same rows, for the importance of the features and for examples.
        model_folder: holds the course of training.
        manifest: of the data.
        seed: of the importance.
    """
    config = result.predictor.config
    importances = feature_importance(result, inputs, seed)
    return page.render(
        "ostinato_components.evaluate",
        "report.html.j2",
        split=result.split,
        rows=result.rows,
        source=manifest.source,
        version=__version__,
        warnings=result.warnings,
        outputs=[
            output_section(output, result.predictor, inputs, importances, importance_metric(output.spec, config))
            for output in result.outputs.values()
        ],
        courses=learning_curves(model_folder, config),
        data=data_facts(manifest),
        config=json.dumps(render(config), indent=2, ensure_ascii=False),
    )


def importance_metric(output: Any, config: Config) -> str:
    """The metric whose fall is measured: the config's validation metric if it is this output's, else its type's."""
    trainer = config.trainer
    if trainer.validation_field == output.name and trainer.validation_metric not in (None, LOSS):
        return canonical(trainer.validation_metric)
    return HEADLINE[output.type]


def feature_importance(result: EvaluationResult, inputs: Columns, seed: int) -> Importances:
    """The importance of every input for every output."""
    config = result.predictor.config

    def measure(sample: Columns, rows: np.ndarray) -> dict[str, float]:
        scores = result.predictor.network.scores(sample)
        values = {}
        for name, output in result.outputs.items():
            metric = importance_metric(output.spec, config)
            found = compute(output.spec, scores[name], output.targets[rows], output.fitted)
            if metric in found:
                values[name] = found[metric] * (1 if objective(metric) == "maximize" else -1)
        return values

    return permutation_importance(inputs, measure, seed=seed)


def learning_curves(model_folder: str, config: Config) -> list[Figure]:
    """The summed loss, and the default metric of each output, at each evaluation while training."""
    try:
        statistics = json.loads(storage.read_bytes(f"{model_folder}/{TRAINING_STATISTICS}"))
    except (DataError, FileNotFoundError):
        return []
    period = statistics.get("evaluation_frequency", {}).get("period", "epoch")
    wanted = [(COMBINED, LOSS)] + [(spec.name, HEADLINE[spec.type]) for spec in config.output_features]
    figures = []
    for output, metric in wanted:
        sets = [
            Series(np.arange(1, len(values) + 1, dtype=np.float64), values, split, tone=tone)
            for tone, split in ((1, "training"), (2, "validation"))
            if (values := _course(statistics, split, output, metric)) is not None
        ]
        if sets:
            chart = plot(sets, Axis("evaluation" if period == "step" else "epoch", 1.0), Axis(metric))
            figures.append(Figure(f"{output}: {metric}" if output != COMBINED else "Loss of all outputs", chart))
    return figures


def _course(statistics: Mapping[str, Any], split: str, output: str, metric: str) -> np.ndarray | None:
    values = statistics.get(split, {}).get(output, {}).get(metric)
    if not values:
        return None
    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return found if np.isfinite(found).any() else None


@dataclass(frozen=True)
class DataFacts:
    """What the report says of the data."""

    rows: list[Row]
    unparsable: list[Row]
    warnings: tuple[str, ...]


def data_facts(manifest: Manifest) -> DataFacts:
    """Rows by split, rows left out, values that could not be read."""
    rows = [Row((split, f"{manifest.rows(split):,}")) for split in manifest.splits]
    rows += [Row((f"left out: {reason}", f"{count:,}")) for reason, count in manifest.dropped_rows.items() if count]
    unparsable = [
        Row((column, f"{found.get('count', 0):,}", ", ".join(map(str, found.get("samples", ())))))
        for column, found in manifest.unparsable.items()
    ]
    return DataFacts(rows, unparsable, manifest.warnings)
