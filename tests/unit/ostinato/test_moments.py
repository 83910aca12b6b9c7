import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.moments import Moments

numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50)


@given(numbers)
def test_sums_are_exact(values):
    moments = Moments.of(np.array(values))
    assert moments.total.fraction() == sum(map(Fraction, values))
    assert moments.squares.fraction() == sum(Fraction(value) ** 2 for value in values)
    assert moments.count == len(values)


@given(numbers, st.integers(0, 50), st.randoms())
def test_order_and_size_of_batches_are_free(values, cut, random):
    shuffled = random.sample(values, len(values))
    halves = Moments.of(np.array(shuffled[:cut])).merge(Moments.of(np.array(shuffled[cut:])))
    assert halves.to_json() == Moments.of(np.array(values)).to_json()


def test_mean_and_deviation_of_a_large_offset_are_right():
    moments = Moments.of(1e9 + np.array([4.0, 7.0, 13.0, 16.0]))
    assert moments.mean() == 1e9 + 10
    assert moments.deviation() == math.sqrt(22.5)


def test_a_constant_has_no_deviation():
    assert Moments.of(np.full(1000, 0.1)).deviation() == 0.0


def test_nothing_has_mean_zero():
    assert (Moments().mean(), Moments().deviation()) == (0.0, 0.0)


def test_many_rows_agree_with_numpy():
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    assert float(Moments.of(values).total.fraction()) == math.fsum(values)
    assert Moments.of(values).deviation() == pytest.approx(values.std(), rel=1e-12)


@given(numbers)
def test_json_brings_moments_back(values):
    moments = Moments.of(np.array(values))
    assert Moments.from_json(moments.to_json()).deviation() == moments.deviation()
