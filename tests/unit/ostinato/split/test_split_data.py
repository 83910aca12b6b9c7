import json

import numpy as np
import pyarrow as pa
import pytest

from ostinato.errors import DataError
from ostinato.split.data import NOWHERE, RESERVE, RESERVE_SHARE, TEST, TRAINING, VALIDATION, TrainingOnly, splitter
from ostinato.split.spec import (
    DatetimeSplitSpec,
    FixedSplitSpec,
    HashSplitSpec,
    RandomSplitSpec,
    StratifySplitSpec,
)


def assigned(spec, values=None, length=None, size=None, seed=42):
    split = splitter(spec, seed)
    length = len(values) if values is not None else length
    parts = []
    for start in range(0, length, size or length):
        rows = min(size or length, length - start)
        batch = None if values is None else pa.array(values[start : start + rows])
        parts.append(split.assign(batch, start, rows))
    return np.concatenate(parts)


def shares(parts):
    return [int((parts == part).sum()) for part in (TRAINING, VALIDATION, TEST)]


def test_a_random_split_has_the_proportions_of_the_config():
    assert shares(assigned(RandomSplitSpec(), length=150)) == [105, 15, 30]
    parts = assigned(RandomSplitSpec(probabilities=(0.5, 0.25, 0.25)), length=1003)
    assert np.abs(np.array(shares(parts)) - [501.5, 250.75, 250.75]).max() <= 5


def test_a_random_split_does_not_depend_on_batches_but_on_the_seed():
    whole = assigned(RandomSplitSpec(), length=1000)
    assert (assigned(RandomSplitSpec(), length=1000, size=7) == whole).all()
    assert (assigned(RandomSplitSpec(), length=1000, seed=1) != whole).any()


def test_shares_of_0_get_no_rows():
    assert shares(assigned(RandomSplitSpec(probabilities=(0.7, 0.0, 0.3)), length=100)) == [70, 0, 30]
    assert shares(assigned(RandomSplitSpec(probabilities=(1.0, 0.0, 0.0)), length=100)) == [100, 0, 0]


def test_the_first_row_trains():
    assert all(assigned(RandomSplitSpec(), length=1, seed=seed)[0] == TRAINING for seed in range(20))


def test_stratify_gives_each_value_the_proportions():
    values = ["a"] * 700 + ["b"] * 200 + [None] * 100
    np.random.default_rng(0).shuffle(values)
    spec = StratifySplitSpec(column="c")
    parts = assigned(spec, values)
    for value, rows in (("a", 700), ("b", 200), (None, 100)):
        mine = parts[[found == value for found in values]]
        assert shares(mine) == [rows * 7 // 10, rows // 10, rows * 2 // 10]
    assert (assigned(spec, values, size=13) == parts).all()


def test_stratify_does_not_depend_on_which_value_comes_first():
    parts = assigned(StratifySplitSpec(column="c"), ["a"] * 50 + ["b"] * 50)
    swapped = assigned(StratifySplitSpec(column="c"), ["b"] * 50 + ["a"] * 50)
    assert (parts[:50] == swapped[50:]).all()


def test_stratify_trains_on_the_only_row_of_a_value():
    assert assigned(StratifySplitSpec(column="c"), ["a", "b", "c"]).tolist() == [TRAINING] * 3


def test_hash_keeps_equal_values_together_as_the_data_grow():
    values = [f"customer {i % 500}" for i in range(2000)]
    parts = assigned(HashSplitSpec(column="c"), values)
    assert (parts[:500] == parts[500:1000]).all()
    more = assigned(HashSplitSpec(column="c"), ["new", *values], seed=7, size=100)
    assert (more[1:] == parts).all()
    assert np.abs(np.array(shares(parts[:500])) - [350, 50, 100]).max() < 40


def test_hash_knows_a_number_by_its_text():
    assert (
        assigned(HashSplitSpec(column="c"), [1, 2, 3]) == assigned(HashSplitSpec(column="c"), ["1", "2.0", "3"])
    ).all()


@pytest.mark.parametrize("values", [[0, 1, 2], [0.0, 1.0, 2.0], ["train", "Validation", "TEST"], ["0", "1", "2"]])
def test_fixed_does_as_the_column_says(values):
    assert assigned(FixedSplitSpec(), values).tolist() == [TRAINING, VALIDATION, TEST]


def test_fixed_refuses_other_values():
    with pytest.raises(DataError, match=r"split: tells the part of each row, but holds '3', 'x', missing values"):
        assigned(FixedSplitSpec(), ["0", "x", "3", None])


def test_some_fixed_training_rows_are_in_reserve():
    parts = assigned(FixedSplitSpec(), [0, 2] * 100, size=7)
    assert shares(parts)[1:] == [0, 100]
    assert abs((parts == RESERVE).sum() - 100 * RESERVE_SHARE) <= 1
    assert (TrainingOnly(42).assign(None, 0, 100) == parts[::2]).all()


def timed(values, sizes, probabilities=(0.7, 0.1, 0.2)):
    split = splitter(DatetimeSplitSpec(column="t", probabilities=probabilities), 42)
    chunks = [split.times(pa.array(values[start : start + sizes])) for start in range(0, len(values), sizes)]
    split.measure(lambda: [chunk.to_numpy() for chunk in chunks], len(values))
    return np.concatenate([split.assign(chunk, 0, len(chunk)) for chunk in chunks])


def test_datetime_trains_on_the_oldest_and_tests_on_the_newest():
    order = np.random.default_rng(0).permutation(100)
    for size in (100, 9):
        parts = timed([f"2020-01-01 00:{minute // 60:02}:{minute % 60:02}" for minute in order], size)
        assert shares(parts) == [70, 10, 20]
        assert order[parts == TRAINING].max() < order[parts == VALIDATION].min()
        assert order[parts == VALIDATION].max() < order[parts == TEST].min()


def test_datetime_keeps_equal_times_together():
    assert shares(timed([1] * 50 + [2] * 50, 10)) == [100, 0, 0]
    assert shares(timed([1] * 75 + [2] * 25, 10)) == [75, 25, 0]


def test_datetime_without_validation_has_none():
    assert shares(timed(list(range(10)), 10, (0.8, 0.0, 0.2))) == [8, 0, 2]


def test_datetime_leaves_rows_without_a_time_nowhere():
    split = splitter(DatetimeSplitSpec(column="t"), 42)
    split.state = {"training": 1 << 63, "validation": 1 << 63}
    assert split.assign(split.times(pa.array([0.0, None, 1.0])), 0, 3).tolist() == [TRAINING, NOWHERE, TEST]


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (StratifySplitSpec(column="c"), ["a", "b", None, "a"] * 25),
        (FixedSplitSpec(column="c"), ["training", "training", "test", "training"] * 25),
    ],
)
def test_a_split_that_remembers_goes_on_in_the_middle_by_its_state(spec, values):
    whole = assigned(spec, values)
    first, second = splitter(spec, 42), splitter(spec, 42)
    first.assign(pa.array(values[:33]), 0, 33)
    second.state = json.loads(json.dumps(first.state))
    assert (second.assign(pa.array(values[33:]), 33, 67) == whole[33:]).all()
