import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from sklearn import metrics

from ostinato_components.evaluate import curves


def both_classes(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = generator.random(size) < 0.3
    positive[:2] = [True, False]
    scores = np.round(np.clip(generator.normal(0.4 + 0.2 * positive, 0.2), 0, 1), 3).astype(np.float32)
    return scores, positive


@given(st.integers(2, 150), st.integers(0, 99))
def test_an_unthinned_roc_curve_is_that_of_scikit_learn(size, seed):
    scores, positive = both_classes(size, seed)
    curve = curves.roc_curve(scores, positive)
    false_rate, true_rate, thresholds = metrics.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false_rate)
    np.testing.assert_allclose(curve.true_positive_rate, true_rate)
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[1:])


def test_a_roc_curve_is_finite_thin_and_keeps_its_area():
    scores, positive = both_classes(20_000, 0)
    scores = scores + np.random.default_rng(0).random(20_000) / 1000
    curve = curves.roc_curve(scores, positive)
    assert len(curve.thresholds) <= 200
    assert np.isfinite(curve.thresholds).all()
    assert (np.diff(curve.thresholds) < 0).all()
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    area = metrics.auc(curve.false_positive_rate, curve.true_positive_rate)
    assert area == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-3)


@pytest.mark.parametrize("positive", [np.zeros(3, bool), np.ones(3, bool)])
def test_one_class_has_no_roc_curve(positive):
    assert curves.roc_curve(np.array([0.1, 0.2, 0.3]), positive) is None


def test_precision_and_recall_by_hand():
    curve = curves.precision_recall_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1, 1])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 1 / 2])


def test_a_precision_recall_curve_of_many_rows_is_thin():
    scores, positive = both_classes(20_000, 1)
    curve = curves.precision_recall_curve(scores + np.random.default_rng(0).random(20_000) / 1000, positive)
    assert len(curve.recall) <= 200
    assert curve.recall[-1] == 1


def test_calibration_by_hand():
    curve = curves.calibration_curve(np.array([0.05, 0.15, 0.15, 1.0]), np.array([False, True, False, True]))
    np.testing.assert_allclose(curve.confidence, [0.05, 0.15, 1.0])
    np.testing.assert_allclose(curve.frequency, [0, 0.5, 1])
    assert curve.counts.tolist() == [1, 2, 1]
    assert curve.expected_error == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)


def test_no_rows_have_no_calibration_error():
    assert curves.calibration_curve(np.zeros(0), np.zeros(0, bool)).expected_error == 0


@given(nps.arrays(np.float64, (6, 3), elements=st.floats(0.01, 1)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_the_brier_score_of_classes_is_the_squared_distance_from_the_truth(raw, targets):
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    truth = np.eye(3)[targets]
    expected = np.mean(np.sum((probabilities - truth) ** 2, axis=1))
    assert curves.brier_score(probabilities, np.array(targets)) == pytest.approx(expected)


def test_operating_points_by_hand():
    scores, positive = np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, False, True, False])
    low, high = curves.operating_points(scores, positive, [0.3, 0.95])
    assert (low.precision, low.recall, low.specificity, low.share) == (2 / 3, 1, 0.5, 0.75)
    assert low.accuracy == 0.75
    assert (high.precision, high.recall, high.f1) == (None, 0, 0)


def test_the_best_threshold_is_found():
    assert curves.best_f1_threshold(np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, True, False, False])) == 0.8
