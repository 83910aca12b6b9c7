"""Models over the same raw test rows. N rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ostinato.batches import Source
from ostinato.column import Fitted
from ostinato.errors import DataError, Problem
from ostinato.features.spec import OutputSpec
from ostinato.labels import labels
from ostinato.metrics.data import compute
from ostinato.predictor import Predictor
from ostinato.sources.source import check_present
from ostinato.split.raw_rows import held_out_rows
from ostinato.split.spec import split_spec

NO_VALUE = "(missing)"


@dataclass(frozen=True)
class Scored:
    """What a model says of one output."""

    spec: OutputSpec
    fitted: Fitted
    scores: np.ndarray
    """[N] or [N, K], as `OutputColumn.predictions` takes them."""
    targets: np.ndarray
    """[N] encoded as the model itself does; -1 where it does not know the class."""

    def metrics(self, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
        """Metrics of some rows; what is not defined is left out."""
        return compute(self.spec, self.scores[rows], self.targets[rows], self.fitted)


@dataclass(frozen=True)
class ScoredRows:
    """The test rows that have their targets, as the models see them."""

    count: int
    models: tuple[dict[str, Scored], ...]
    """By model, by output."""
    slices: dict[str, np.ndarray]
    """[N] texts by column."""


def score(source: Source, models: Sequence[Predictor], slices: Sequence[str]) -> ScoredRows:
    """The scores of every model on the test rows of the first one, which was made of this source.

    Memory holds the scores of all test rows, and one batch of raw ones. Rows that lack a target are left out; those
    whose inputs training left out (`drop_row`) are not: in use they are asked for too.

    Raises:
        DataError: the data are others than those of the first model, lack a column, or have no test row with targets.
    """
    check_present(source.uri, slices, source.column_names())
    scored: list[dict[str, list[tuple[np.ndarray, np.ndarray]]]] = [
        {name: [] for name in one.outputs} for one in models
    ]
    texts: dict[str, list[pa.Array]] = {name: [] for name in slices}
    count = 0
    for batch in _raw_rows(source, models, slices):
        count += batch.num_rows
        for model, found in zip(models, scored, strict=True):
            scores = model.network.scores(model.encode_inputs(batch))
            for spec in model.config.output_features:
                found[spec.name].append((scores[spec.name], _targets(model, spec, batch)))
        for name, values in texts.items():
            values.append(labels(batch.column(name), name).cast(pa.string()).fill_null(NO_VALUE))
    if not count:
        raise DataError(Problem(source.uri, "has no test row with all targets: there is nothing to measure"))
    together = tuple(_together(model, found) for model, found in zip(models, scored, strict=True))
    slices_found = {name: pa.concat_arrays(values).to_numpy(zero_copy_only=False) for name, values in texts.items()}
    return ScoredRows(count, together, slices_found)


def _together(model: Predictor, parts: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> dict[str, Scored]:
    return {
        spec.name: Scored(
            spec,
            model.fitted[spec.name],
            np.concatenate([scores for scores, _ in parts[spec.name]]),
            np.concatenate([targets for _, targets in parts[spec.name]]),
        )
        for spec in model.config.output_features
    }


def _targets(model: Predictor, spec: OutputSpec, batch: pa.RecordBatch) -> np.ndarray:
    column = model.outputs[spec.name]
    return column.encode(column.parse(batch.column(spec.source))[0], model.fitted[spec.name])


def _raw_rows(source: Source, models: Sequence[Predictor], slices: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The test rows in which every model finds its targets."""
    manifest = models[0].manifest
    if manifest is None or manifest.split is None:
        raise DataError(Problem("bundle", "does not say which rows of its data were for testing"))
    if source.digest() != manifest.source_digest:
        raise DataError(Problem(source.uri, "are others than the data that the new model was made of"))
    types: dict[str, pa.DataType | None] = dict.fromkeys(slices)
    for model in models:
        for name, kind in model.types(targets=True).items():
            types[name] = kind if types.get(name) in (None, kind) else pa.string()
    preprocessing, split = models[0].config.preprocessing, split_spec(manifest.split)
    for batch in held_out_rows(source, preprocessing, split, manifest.seed, types):
        keep = np.ones(batch.num_rows, bool)
        for model in models:
            for spec in model.config.output_features:
                dropped = model.outputs[spec.name].drops(
                    model.outputs[spec.name].parse(batch.column(spec.source))[0], None
                )
                keep &= True if dropped is None else ~dropped
        kept = batch.filter(pa.array(keep))
        if kept.num_rows:
            yield kept
