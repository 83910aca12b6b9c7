import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ostinato_components.evaluate.classes import OTHER, ClassCounts, statistics

codes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(codes)
def test_averages_are_those_of_scikit_learn(pairs):
    predicted, actual = (np.array(side) for side in zip(*pairs, strict=True))
    overall = ClassCounts(predicted, actual, ("a", "b", "c", "d")).overall()
    assert overall["token_accuracy"] == pytest.approx(metrics.accuracy_score(actual, predicted))
    for average in ("macro", "micro", "weighted"):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            actual, predicted, average=average, zero_division=0
        )
        assert overall[f"avg_precision_{average}"] == pytest.approx(precision)
        assert overall[f"avg_recall_{average}"] == pytest.approx(recall)
        assert overall[f"avg_f1_score_{average}"] == pytest.approx(f1)


@given(codes)
def test_kappa_is_that_of_scikit_learn_where_it_is_defined(pairs):
    predicted, actual = (np.array(side) for side in zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nan_to_num(metrics.cohen_kappa_score(actual, predicted))
    assert ClassCounts(predicted, actual, ("a", "b", "c", "d")).overall()["kappa_score"] == pytest.approx(expected)


def test_rows_of_the_matrix_are_actual_and_columns_predicted():
    names, matrix = ClassCounts(np.array([0, 1, 1]), np.array([0, 0, 1]), ("no", "yes")).matrix()
    assert names == ("no", "yes")
    assert matrix.tolist() == [[1, 1], [0, 1]]


def test_an_unknown_target_is_wrong_but_in_no_row_of_the_matrix():
    counts = ClassCounts(np.array([0, 1]), np.array([0, -1]), ("no", "yes"))
    assert counts.overall()["token_accuracy"] == 0.5
    assert counts.matrix()[1].tolist() == [[1, 0], [0, 0]]


def test_statistics_of_a_class_by_hand():
    stats = ClassCounts(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 1]), ("no", "yes")).per_class()["yes"]
    assert (stats["true_positives"], stats["false_positives"]) == (1, 1)
    assert (stats["true_negatives"], stats["false_negatives"]) == (1, 1)
    assert stats["precision"] == stats["recall"] == stats["f1_score"] == 0.5
    assert stats["matthews_correlation_coefficient"] == 0


def test_many_classes_share_the_last_row_of_the_matrix():
    actual = np.repeat(np.arange(2000), np.r_[np.full(49, 3), np.ones(1951, int)])
    result = statistics(ClassCounts(actual, actual, tuple(map(str, range(2000)))))
    assert len(result["confusion_matrix_labels"]) == 50
    assert result["confusion_matrix_labels"][-1] == OTHER
    assert np.sum(result["confusion_matrix"]) == len(actual)
    assert result["confusion_matrix"][-1][-1] == 1951
    assert len(result["per_class_stats"]) == 1000


def test_no_rows_give_numbers():
    none = np.zeros(0, np.int32)
    assert all(np.isfinite(value) for value in ClassCounts(none, none, ("a",)).overall().values())
