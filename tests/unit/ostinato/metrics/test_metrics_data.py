"""Metrics against values by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from ostinato.column import Fitted, output_column
from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.features.category.spec import CategoryOutputSpec
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.metrics.data import average_precision, compute, roc_auc
from ostinato.metrics.spec import METRICS, UNKNOWN_TARGETS

NONE = Fitted()
BINARY = BinaryOutputSpec(name="y")
CATEGORY = CategoryOutputSpec(name="y")


def number(values: list[float], predictions: list[float]) -> dict[str, float]:
    """Metrics of predictions in units, for a column fitted on its own values."""
    spec = NumberOutputSpec(name="y")
    column = output_column(spec)
    targets = pa.array(values, pa.float64())
    fitted = column.fit(column.analyze(targets, 0))
    return compute(
        spec, column.encode(pa.array(predictions, pa.float64()), fitted), column.encode(targets, fitted), fitted
    )


def probabilities(random: np.random.Generator, num_rows: int, num_classes: int) -> np.ndarray:
    raw = random.random((num_rows, num_classes)) + 0.01
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def test_errors_of_a_number_are_in_its_own_units() -> None:
    found = number([100.0, 200.0, 300.0, 400.0], [110.0, 190.0, 310.0, 390.0])

    assert found["mean_absolute_error"] == pytest.approx(10, rel=1e-4)
    assert found["mean_squared_error"] == pytest.approx(100, rel=1e-4)
    assert found["root_mean_squared_error"] == pytest.approx(10, rel=1e-4)
    assert found["mean_absolute_percentage_error"] == pytest.approx((0.1 + 0.05 + 1 / 30 + 0.025) / 4, rel=1e-4)
    assert found["huber"] == pytest.approx(9.5, rel=1e-4)
    assert found["r2"] == pytest.approx(1 - 400 / 50000, rel=1e-4)


def test_predicting_the_mean_has_r2_of_zero() -> None:
    assert number([1.0, 2.0, 6.0], [3.0, 3.0, 3.0])["r2"] == pytest.approx(0, abs=1e-6)


def test_a_constant_target_has_no_r2() -> None:
    assert "r2" not in number([5.0, 5.0, 5.0], [5.0, 6.0, 7.0])


def test_targets_of_zero_are_left_out_of_percentages() -> None:
    found = number([0.0, 2.0], [1.0, 3.0])
    assert found["mean_absolute_percentage_error"] == pytest.approx(0.5, rel=1e-4)


def test_binary_metrics_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.4, 0.3, 0.6], np.float32)
    targets = np.array([1, 1, 1, 0, 0], np.float32)

    found = compute(BINARY, scores, targets, NONE)

    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["roc_auc"] == pytest.approx(5 / 6)


def test_the_threshold_of_a_binary_output_decides() -> None:
    spec = BinaryOutputSpec(name="y", threshold=0.35)
    found = compute(spec, np.array([0.4, 0.3]), np.array([1.0, 0.0]), NONE)
    assert found["accuracy"] == 1


def test_an_unknown_target_counts_as_wrong_and_is_reported() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]], np.float32)

    found = compute(CATEGORY, scores, np.array([0, 1, -1]), NONE)

    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == 1
    assert found[UNKNOWN_TARGETS] == 1


def test_an_unknown_binary_target_counts_as_wrong() -> None:
    found = compute(BINARY, np.array([0.9, 0.1, 0.1]), np.array([1.0, 0.0, -1.0]), NONE)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["roc_auc"] == 1


def test_hits_at_k_looks_among_the_most_probable_classes() -> None:
    scores = np.array([[0.5, 0.3, 0.15, 0.05]] * 4, np.float32)
    found = compute(CATEGORY, scores, np.array([0, 1, 2, 3]), NONE)
    assert found["hits_at_k"] == pytest.approx(3 / 4)


def test_hits_at_k_is_left_out_where_every_class_would_be_a_hit() -> None:
    assert "hits_at_k" not in compute(CATEGORY, np.full((2, 3), 1 / 3), np.array([0, 1]), NONE)


def test_one_class_has_no_roc_auc_and_nothing_breaks() -> None:
    found = compute(BINARY, np.array([0.2, 0.7]), np.array([1.0, 1.0]), NONE)
    assert "roc_auc" not in found
    assert "specificity" not in found
    assert found["accuracy"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("spec", [BINARY, NumberOutputSpec(name="y")])
def test_no_rows_have_no_metrics(spec: BinaryOutputSpec | NumberOutputSpec) -> None:
    assert compute(spec, np.zeros(0, np.float32), np.zeros(0, np.float32), NONE) == {}


def test_scores_that_are_not_finite_have_no_metrics_but_the_loss_if_it_is_finite() -> None:
    assert compute(BINARY, np.array([np.nan, 0.5]), np.array([1.0, 0.0]), NONE, loss=math.inf) == {}


def test_all_unknown_targets_are_all_wrong() -> None:
    found = compute(CATEGORY, np.full((2, 2), 0.5), np.array([-1, -1]), NONE)
    assert found["accuracy"] == 0
    assert found[UNKNOWN_TARGETS] == 2


def test_every_metric_reported_is_in_the_registry() -> None:
    random = np.random.default_rng(0)
    found = compute(CATEGORY, probabilities(random, 50, 5), random.integers(0, 5, 50), NONE, loss=1.0)
    assert set(found) == set(METRICS["category"])
    found = compute(BINARY, random.random(50), random.integers(0, 2, 50).astype(np.float32), NONE, loss=1.0)
    assert set(found) == set(METRICS["binary"])
    assert set(number([1.0, 2.0], [1.5, 2.5])) | {"loss"} == set(METRICS["number"])


scores_and_classes = st.lists(
    st.tuples(st.integers(0, 20).map(lambda value: value / 20), st.booleans()), min_size=2, max_size=60
).filter(lambda rows: len({positive for _, positive in rows}) == 2)


@given(scores_and_classes)
def test_areas_are_those_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in rows])
    positive = np.array([positive for _, positive in rows])
    assert roc_auc(scores, positive) == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))
    assert average_precision(scores, positive) == pytest.approx(
        sklearn.metrics.average_precision_score(positive, scores)
    )


def test_category_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    scores, targets = probabilities(random, 200, 4), random.integers(0, 4, 200)

    found = compute(CATEGORY, scores, targets, NONE)

    predicted = scores.argmax(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(targets, predicted))
    assert found["f1"] == pytest.approx(sklearn.metrics.f1_score(targets, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(sklearn.metrics.log_loss(targets, scores.astype(np.float64)), rel=1e-4)
    assert found["roc_auc"] == pytest.approx(
        sklearn.metrics.roc_auc_score(targets, scores.astype(np.float64), multi_class="ovr"), rel=1e-4
    )
    assert found["hits_at_k"] == pytest.approx(sklearn.metrics.top_k_accuracy_score(targets, scores, k=3))
