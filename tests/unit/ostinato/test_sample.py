import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.sample import SAMPLE_SIZE, RowSample, even_fractions, kth_lowest, row_hashes, stream_key, text_hashes


def sample_in_batches(values, size):
    sample = RowSample.empty()
    for start in range(0, len(values), size):
        sample = sample.merge(RowSample.of(values[start : start + size], start))
    return sample


def test_few_rows_are_all_sampled():
    sample = sample_in_batches(np.arange(1000.0), 64)
    assert sorted(sample.values) == list(range(1000))
    assert sample.quantiles((0.0, 0.5, 1.0)) == [0.0, 499.5, 999.0]


def test_batches_of_any_size_give_the_same_sample():
    values = np.random.default_rng(1).normal(size=100_000)
    whole = sample_in_batches(values, 100_000).to_json()
    assert sample_in_batches(values, 7_919).to_json() == whole
    assert len(whole["values"]) == SAMPLE_SIZE


def test_order_of_batches_is_free():
    values = np.arange(60_000.0)
    parts = [RowSample.of(values[start : start + 20_000], start) for start in (0, 20_000, 40_000)]
    forward, backward = parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[0]).merge(parts[1])
    assert forward.to_json() == backward.to_json()


def test_quantiles_of_many_rows_are_within_the_stated_error():
    sample = sample_in_batches(np.arange(200_000.0), 50_000)
    for level, value in zip((0.05, 0.5, 0.95), sample.quantiles((0.05, 0.5, 0.95)), strict=True):
        assert value / 200_000 == pytest.approx(level, abs=0.0106)


def test_rows_that_are_left_out_are_not_sampled():
    values = np.array([1.0, np.nan, 3.0])
    assert sorted(RowSample.of(values, 0, ~np.isnan(values)).values) == [1.0, 3.0]


def test_json_brings_a_sample_back():
    sample = RowSample.of(np.arange(10.0), 5)
    assert RowSample.from_json(sample.to_json()).to_json() == sample.to_json()


@given(st.integers(0, 2**63), st.integers(0, 200), st.integers(0, 60), st.integers(0, 60))
def test_a_fraction_depends_on_the_row_number_only(seed, start, first, second):
    key = stream_key(seed, "test")
    whole = even_fractions(key, start, first + second)
    parts = [even_fractions(key, start, first), even_fractions(key, start + first, second)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("seed", range(5))
def test_seven_of_every_ten_rows_are_below_seven_tenths(seed):
    fractions = even_fractions(stream_key(seed, "test"), 0, 1000).reshape(-1, 10)
    assert ((fractions < 0.7).sum(axis=1) == 7).all()
    assert (fractions >= 0).all()
    assert (fractions < 1).all()


def test_odd_shares_are_right_over_many_rows():
    fractions = even_fractions(stream_key(0, "test"), 0, 100_000)
    assert abs((fractions < 1 / 3).sum() - 33_333) <= 5


def test_neighbours_and_periods_do_not_show():
    below = even_fractions(stream_key(0, "test"), 0, 100_000) < 0.5
    for period in (2, 3, 5, 7, 10):
        shares = [below[place::period].mean() for place in range(period)]
        assert max(shares) - min(shares) < 0.03


def test_row_0_has_the_lowest_fraction_of_its_ten():
    for seed in range(50):
        assert even_fractions(stream_key(seed, "test"), 0, 10).argmin() == 0


def test_hashes_of_text_depend_on_the_text_only():
    texts = ["", "a", "b", "ab", "ba", "aa", "x" * 1000, "é"]
    whole = text_hashes(pa.array(texts))
    assert len(set(whole.tolist())) == len(texts)
    assert text_hashes(pa.array(["zzz", *texts]).slice(1)).tolist() == whole.tolist()
    assert [int(text_hashes(pa.array([text]))[0]) for text in texts] == whole.tolist()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=60), st.data())
def test_kth_lowest_is_that_of_sorting(values, data):
    rank = data.draw(st.integers(0, len(values) - 1))
    array = np.array(values, np.uint64)
    assert kth_lowest(lambda: (array[:10], array[10:]), rank) == sorted(values)[rank]


def test_hashes_are_those_of_every_machine():
    assert row_hashes(stream_key(42, "split"), np.arange(2)).tolist() == [11048731135187770838, 9704020771552652255]
