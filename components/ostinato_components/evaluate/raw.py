"""A model over raw rows with targets, as `ostinato evaluate` and `Model.evaluate` have them. N rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ostinato.errors import DataError, Problem, did_you_mean, listing
from ostinato.predictor import Predictor, Report
from ostinato_components.evaluate.evaluation import measure, score
from ostinato_components.evaluate.result import EvaluationResult

if TYPE_CHECKING:
    from ostinato.batches import Source


def evaluate_source(predictor: Predictor, source: Source, *, batch_size: int | None = None) -> EvaluationResult:
    """Evaluates a model on raw rows. Rows without a target are left out and counted in the warnings.

    Raises:
        DataError: a column is missing, no row has a target, or the data can't be read.
    """
    predictor.report = Report()
    _check_targets(predictor, source)
    predictor.check_columns(source.column_names())
    parts: list[dict[str, np.ndarray]] = []
    without_target = 0
    targets = {spec.name: spec.source for spec in predictor.config.output_features}
    types = predictor.types(targets=True)
    for batch in source.batches(list(types), types):
        kept, encoded = _encode_targets(predictor, batch, targets)
        without_target += batch.num_rows - kept.num_rows
        if kept.num_rows:
            parts.append(predictor.encode_inputs(kept) | encoded)
    if not parts:
        raise DataError(Problem(source.uri, "has no row with a target: there is nothing to measure"))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scores, losses = score(predictor, {name: rows[name] for name in predictor.inputs}, rows, batch_size)
    warnings = predictor.warnings(source)
    if without_target:
        warnings.append(f"{without_target:,} rows without a target are left out")
    return measure(predictor, "full", scores, rows, losses=losses, training=None, warnings=warnings)


def _check_targets(predictor: Predictor, source: Source) -> None:
    names = source.column_names()
    problems = [
        Problem(
            spec.name,
            f"the data have no column '{spec.source}': evaluation needs the targets of this output feature",
            allowed=f"the columns are: {listing(names)}",
            hint=did_you_mean(spec.source, names),
        )
        for spec in predictor.config.output_features
        if spec.source not in names
    ]
    if problems:
        raise DataError(problems)


def _encode_targets(
    predictor: Predictor, batch: pa.RecordBatch, sources: Mapping[str, str]
) -> tuple[pa.RecordBatch, dict[str, np.ndarray]]:
    """The rows that have all targets, and these targets encoded, by output."""
    keep = np.ones(batch.num_rows, dtype=bool)
    encoded: dict[str, np.ndarray] = {}
    for name, column in predictor.outputs.items():
        parsed, _ = column.parse(batch.column(sources[name]))
        dropped = column.drops(parsed, None)
        if dropped is not None:
            keep &= ~dropped
        encoded[name] = column.encode(parsed, predictor.fitted[name])
    if keep.all():
        return batch, encoded
    return batch.filter(pa.array(keep)), {name: values[keep] for name, values in encoded.items()}
