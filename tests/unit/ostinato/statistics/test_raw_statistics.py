"""Statistics of raw columns: the law of merging, and what they say."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.batches import open_source
from ostinato.statistics import table as table_module
from ostinato.statistics.column import MOST_VALUES, ColumnStats
from ostinato.statistics.distinct import MOST_HASHES, Distinct
from ostinato.statistics.table import collect

TEXTS = st.lists(
    st.none() | st.sampled_from(["1", "1.0", "a b", "007", "NaN", "inf", "", "x" * 300]) | st.text(max_size=4)
)
NUMBERS = st.lists(st.none() | st.floats(width=32) | st.integers(-3, 3).map(float))


def json_of(stats):
    value = stats.to_json()
    value.pop("no_number_samples")  # some of many; which ones is not promised
    return json.dumps(value, sort_keys=True)


@given(TEXTS, st.integers(0, 50))
def test_halves_of_text_merge_into_the_whole(values, cut):
    column = pa.array(values, pa.string())
    cut = min(cut, len(values))
    halves = ColumnStats.of(column[:cut], 0).merge(ColumnStats.of(column[cut:], cut))
    assert json_of(halves) == json_of(ColumnStats().merge(ColumnStats.of(column, 0)))


@given(NUMBERS, st.integers(0, 50))
def test_halves_of_numbers_merge_into_the_whole(values, cut):
    column = pa.array(values, pa.float64())
    cut = min(cut, len(values))
    halves = ColumnStats.of(column[cut:], cut).merge(ColumnStats.of(column[:cut], 0))
    assert json_of(halves) == json_of(ColumnStats.of(column, 0))


@given(TEXTS)
def test_statistics_come_back_from_json(values):
    stats = ColumnStats.of(pa.array(values, pa.string()), 0)
    back = ColumnStats.from_json(json.loads(json.dumps(stats.to_json())))
    assert json_of(back) == json_of(stats)


def test_numbers_are_the_same_as_numbers_and_as_text():
    numbers = ColumnStats.of(pa.array([1.0, 2.5, None, -0.0]), 0)
    texts = ColumnStats.of(pa.array(["1", "2.50", None, "0"]), 0)
    merged = numbers.merge(texts)
    assert (merged.rows, merged.missing, merged.numbers.count, merged.no_numbers) == (8, 2, 6, 0)
    assert merged.distinct.count() == 3
    assert merged.numbers.mean() == pytest.approx(7 / 6)


def test_text_among_numbers_is_counted_by_rows():
    stats = ColumnStats.of(pa.array(["1", "abc", "abc", "N/A", "inf", "2"]), 0)
    assert (stats.numbers.count, stats.no_numbers, stats.infinite) == (2, 2, 1)
    assert set(stats.no_number_samples) == {"abc"}


@pytest.mark.parametrize("values", [[[1, 2], None], [{"a": 1}, None], [b"\xff", None]])
def test_what_is_no_single_value_is_counted_only(values):
    stats = ColumnStats.of(pa.array(values), 0)
    assert (stats.rows, stats.missing, stats.distinct.count()) == (2, 1, 0)


def test_booleans_and_times_are_values():
    assert ColumnStats.of(pa.array([True, False, None]), 0).frequencies.counts == {"True": 1, "False": 1}
    assert ColumnStats.of(pa.array([0, 1], pa.date32()), 0).distinct.count() == 2


def test_many_values_are_no_longer_listed():
    column = pa.array([f"v{number}" for number in range(MOST_VALUES + 1)])
    first, second = ColumnStats.of(column[:3000], 0), ColumnStats.of(column[3000:], 3000)
    assert first.frequencies.counts is not None
    assert first.merge(second).frequencies.counts is None
    assert ColumnStats.of(pa.array(["x" * 1000]), 0).frequencies.counts is None


@pytest.mark.parametrize("count", [0, 1, MOST_HASHES - 1, 20_000, 300_000])
def test_distinct_values_are_counted_within_the_stated_error(count):
    hashes = np.random.default_rng(0).integers(0, 2**64, count, np.uint64)
    twice = Distinct.of(np.concatenate([hashes, hashes]))
    assert twice.count() == pytest.approx(count, rel=0 if count < MOST_HASHES else 0.05)
    assert twice.is_exact == (count < MOST_HASHES)
    pieces = [Distinct.of(piece) for piece in np.array_split(hashes, 7)]
    merged = Distinct()
    for piece in reversed(pieces):
        merged = merged.merge(piece)
    assert merged.lowest.tolist() == twice.lowest.tolist()


def test_a_source_is_read_once_with_a_sample_of_whole_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "_MOST_SAMPLED_ROWS", 500)
    path = tmp_path / "a.csv"
    path.write_text("n,t\n" + "".join(f"{number},t{number}\n" for number in range(5000)))
    stats = collect(open_source(path))
    assert stats.rows == 5000
    assert stats.columns["n"].numbers.mean() == 2499.5
    assert stats.columns["t"].distinct.count() == pytest.approx(5000, rel=0.05)
    pairs = list(zip(stats.sample["n"].to_pylist(), stats.sample["t"].to_pylist(), strict=True))
    assert len(pairs) == 500
    assert all(text == f"t{number}" for number, text in pairs)
    assert [int(number) for number, _ in pairs] == sorted(int(number) for number, _ in pairs)


def test_reading_may_stop_early():
    assert collect(open_source({"x": list(range(1000))}), most_rows=10).rows == 10


def test_no_rows_have_statistics_too():
    stats = collect(open_source(pa.table({"x": pa.array([], pa.float64())})))
    assert stats.rows == 0
    assert math.isinf(stats.columns["x"].minimum)


def test_the_sample_keeps_the_beginnings_of_long_texts():
    stats = collect(open_source({"t": ["y" * 100_000, "short"]}))
    assert [len(text) for text in stats.sample["t"].to_pylist()] == [500, 5]
    assert stats.columns["t"].lengths.longest == 100_000
