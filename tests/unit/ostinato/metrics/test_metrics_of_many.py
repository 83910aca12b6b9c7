"""Metrics of sets, vectors and distributions against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from ostinato.column import Fitted
from ostinato.features.category_distribution.spec import CategoryDistributionOutputSpec
from ostinato.features.set.spec import SetOutputSpec
from ostinato.features.vector.spec import VectorOutputSpec
from ostinato.metrics.data import compute, has_symbol
from ostinato.metrics.spec import METRICS
from ostinato.trainer.trivial import no_better_than_trivial

SET = SetOutputSpec(name="y")
VECTOR = VectorOutputSpec(name="y")
SHARES = CategoryDistributionOutputSpec.model_validate({"name": "y", "preprocessing": {"vocab": ["a", "b", "c", "d"]}})
NONE = Fitted()


def sets(num_rows: int = 200, num_symbols: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What rows have [N, K], the codes of that, probabilities that know something of it."""
    random = np.random.default_rng(0)
    has = random.random((num_rows, num_symbols)) < 0.3
    codes = np.full((num_rows, num_symbols), -1, np.int32)
    for row, line in enumerate(has):
        codes[row, : line.sum()] = np.flatnonzero(line)
    scores = np.clip(0.5 * has + 0.7 * random.random(has.shape) - 0.1, 0.01, 0.99).astype(np.float32)
    return has, codes, scores


def test_metrics_of_sets_are_those_of_scikit_learn() -> None:
    has, codes, scores = sets()
    np.testing.assert_array_equal(has_symbol(codes, 5), has)
    found, said = compute(SET, scores, codes, NONE, loss=0.5), scores >= 0.5
    assert set(found) == set(METRICS["set"])
    wanted = {
        "jaccard": sklearn.metrics.jaccard_score(has, said, average="samples", zero_division=1.0),
        "accuracy": sklearn.metrics.accuracy_score(has, said),
        "f1_micro": sklearn.metrics.f1_score(has, said, average="micro"),
        "f1": sklearn.metrics.f1_score(has, said, average="macro"),
        "precision": sklearn.metrics.precision_score(has, said, average="micro"),
        "recall": sklearn.metrics.recall_score(has, said, average="micro"),
        "hamming_loss": sklearn.metrics.hamming_loss(has, said),
        "roc_auc": sklearn.metrics.roc_auc_score(has, scores, average="macro"),
        "log_loss": np.mean([sklearn.metrics.log_loss(has[:, k], scores[:, k].astype(float)) for k in range(5)]),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_sets_of_nothing_are_right_where_nothing_is_predicted() -> None:
    nothing = np.full((3, 2), -1, np.int32)
    found = compute(SET, np.full((3, 4), 0.1, np.float32), nothing, NONE)
    assert (found["jaccard"], found["accuracy"], found["hamming_loss"]) == (1, 1, 0)
    assert not {"f1", "f1_micro", "recall", "precision", "roc_auc"} & set(found)


def test_metrics_of_vectors_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    actual = random.normal(size=(50, 3)) * [1, 10, 0] + [0, 5, 2]
    predicted = actual + random.normal(size=actual.shape)
    found = compute(VECTOR, predicted.astype(np.float32), actual.astype(np.float32), NONE, loss=1.0)
    assert set(found) == set(METRICS["vector"])
    wanted = {
        "mean_squared_error": sklearn.metrics.mean_squared_error(actual, predicted),
        "mean_absolute_error": sklearn.metrics.mean_absolute_error(actual, predicted),
        "root_mean_squared_error": sklearn.metrics.mean_squared_error(actual, predicted) ** 0.5,
        # The third number is the same in every row: it has no variance to explain.
        "r2": sklearn.metrics.r2_score(actual[:, :2], predicted[:, :2]),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_metrics_of_distributions_by_hand() -> None:
    actual = np.array([[1, 0, 0, 0], [0.5, 0.25, 0.25, 0]], np.float32)
    predicted = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.4, 0.3, 0.2]], np.float32)
    found = compute(SHARES, predicted, actual, NONE, loss=1.0)
    assert set(found) == set(METRICS["category_distribution"])
    assert found["accuracy"] == 0.5
    assert found["hits_at_k"] == 0.5
    assert found["total_variation"] == pytest.approx((0.3 + 0.4) / 2)
    second = 0.5 * np.log(0.1) + 0.25 * np.log(0.4) + 0.25 * np.log(0.3)
    assert found["log_loss"] == pytest.approx(-(np.log(0.7) + second) / 2)


@pytest.mark.parametrize("kind", ["set", "vector", "category_distribution"])
def test_a_model_that_knows_nothing_is_told(kind: str) -> None:
    random = np.random.default_rng(2)
    if kind == "set":
        spec, (has, targets, good) = SET, sets()
        same = (has.mean(axis=0) + 0.01 * random.random(good.shape)).astype(np.float32)
    else:
        spec = VECTOR if kind == "vector" else SHARES
        raw = random.random((300, 4)) ** 3
        targets = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
        good = 0.8 * targets + 0.05
        same = np.broadcast_to(targets.mean(axis=0), targets.shape)
    assert no_better_than_trivial(spec, good, targets, targets) is None
    warning = no_better_than_trivial(spec, same, targets, targets)
    assert warning is not None
    assert "no better than predicting the mean of the training rows" in warning
