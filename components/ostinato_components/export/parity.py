"""Whether two predictors say the same of the same rows. N rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ostinato.errors import OstinatoError, Problem
from ostinato.predictor import Predictor

TOLERANCE = 1e-4
"""Largest difference of scores, relative to the largest score of the output (at least 1).

Sums of float32 in another order differ by about 1e-6; a wrong operator or transform by far more than this.
"""


class ParityError(OstinatoError):
    """The bundle and the model disagree: the bundle must not be used."""


def differences(scores: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> dict[str, float]:
    """By output: the largest difference, relative to the largest expected score (at least 1)."""
    found = {}
    for name, wanted in expected.items():
        assert scores[name].shape == wanted.shape, f"{name}: {scores[name].shape} instead of {wanted.shape}"
        scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
        gap = np.abs(scores[name].astype(np.float64) - wanted)
        found[name] = float(np.max(gap, initial=0.0)) / scale
    return found


def check(found: Mapping[str, float], what: str) -> None:
    """Raises ParityError where a difference is above the tolerance, or is no number; names every such output."""
    problems = [
        Problem(
            name,
            f"{what} differs from the model by {difference:.3g}, relative to the largest score",
            allowed=f"at most {TOLERANCE:g}",
        )
        for name, difference in found.items()
        if not difference <= TOLERANCE
    ]
    if problems:
        raise ParityError(problems)


def raw_rows(predictor: Predictor, encoded: Mapping[str, np.ndarray]) -> pa.Table:
    """Encoded inputs [N] or [N, T] -> raw rows [N + 1] that encode to them; the last has every value missing."""
    columns: dict[str, pa.Array] = {}
    for name, column in predictor.inputs.items():
        decoded = column.decode(encoded[name], predictor.fitted[name])
        columns[predictor.sources[name]] = pa.concat_arrays([decoded, pa.nulls(1, decoded.type)])
    return pa.table(columns)


def raw_differences(bundle: Predictor, model: Predictor, rows: pa.Table) -> dict[str, float]:
    """By output: the largest difference between two predictors on raw rows, all at once and one row by itself."""
    expected = model.network.scores(model.encode_inputs(rows))
    found = differences(bundle.network.scores(bundle.encode_inputs(rows)), expected)
    one = differences(
        bundle.network.scores(bundle.encode_inputs(rows.slice(0, 1))),
        {name: scores[:1] for name, scores in expected.items()},
    )
    assert bundle.predict(rows.slice(0, 1)).schema == model.predict(rows.slice(0, 1)).schema
    return {name: max(found[name], one[name]) for name in found}
