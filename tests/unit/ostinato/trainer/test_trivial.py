"""Whether a model beats predicting the same for every row."""

from __future__ import annotations

import numpy as np
import pytest

from ostinato.features.binary.spec import BinaryOutputSpec
from ostinato.features.category.spec import CategoryOutputSpec
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.trainer.trivial import no_better_than_trivial

NUMBER, BINARY, CATEGORY = NumberOutputSpec(name="y"), BinaryOutputSpec(name="y"), CategoryOutputSpec(name="y")


def numbers(num_rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=num_rows).astype(np.float32)


def test_the_mean_for_every_row_is_no_better() -> None:
    warning = no_better_than_trivial(NUMBER, np.zeros(50, np.float32), numbers(50), numbers(500, 1))
    assert warning is not None
    assert warning.startswith("y: the model is no better than predicting the mean of the training rows (squared error")


def test_luck_on_few_rows_is_no_better() -> None:
    targets = numbers(30)
    scores = 0.05 * targets + 0.3 * numbers(30, 2)
    assert no_better_than_trivial(NUMBER, scores, targets, numbers(500, 1)) is not None


def test_a_weak_model_on_many_rows_is_better() -> None:
    targets = numbers(5000)
    assert no_better_than_trivial(NUMBER, 0.1 * targets, targets, numbers(500, 1)) is None


@pytest.mark.parametrize("spec", [BINARY, CATEGORY])
def test_the_shares_of_the_classes_are_no_better(spec: BinaryOutputSpec | CategoryOutputSpec) -> None:
    targets = (np.arange(100) % 4 == 0).astype(np.float32 if spec is BINARY else np.int32)
    scores = np.full(100, 0.25, np.float32)
    if spec is CATEGORY:
        scores = np.stack([1 - scores, scores], axis=1)
    warning = no_better_than_trivial(spec, scores, targets, targets)
    assert warning is not None
    assert "the most frequent class (log loss 0.5623 against 0.5623, on 100 rows)" in warning


def test_a_rare_class_that_is_ranked_is_better_though_it_is_never_predicted() -> None:
    targets = (np.arange(1000) % 50 == 0).astype(np.float32)
    scores = (0.3 * targets + 0.1).astype(np.float32)
    assert no_better_than_trivial(BINARY, scores, targets, targets) is None


def test_unknown_targets_take_no_part() -> None:
    targets = np.array([0, 1, -1] * 20)
    scores = np.where(targets[:, None] == np.arange(2), 0.9, 0.1)
    assert no_better_than_trivial(CATEGORY, scores, targets, np.array([0, 1, 0, 1])) is None
    assert no_better_than_trivial(CATEGORY, scores, np.full(60, -1), np.array([0, 1])) is None


def test_scores_that_are_not_finite_are_no_matter_of_this_check() -> None:
    assert no_better_than_trivial(NUMBER, np.full(3, np.nan), numbers(3), numbers(9)) is None
