import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.missing import fill_gaps, first_usable, gaps_of_missing, last_usable

NOTHING = pa.nulls(0, pa.int64())


def filled(values, strategy, before=NOTHING, behind=NOTHING):
    column = pa.array(values, pa.int64())
    return fill_gaps(column, gaps_of_missing(column, strategy), before, behind).to_pylist()


def test_forward_takes_the_row_before_and_the_next_at_the_start():
    assert filled([None, 1, None, None, 2, None], "ffill") == [1, 1, 1, 1, 2, 2]


def test_backward_takes_the_next_row_and_the_one_before_at_the_end():
    assert filled([None, 1, None, None, 2, None], "bfill") == [1, 1, 2, 2, 2, 2]


def test_rows_outside_the_batch_count():
    assert filled([None, 1, None], "ffill", before=pa.array([7]), behind=pa.array([8])) == [7, 1, 1]
    assert filled([None, 1, None], "bfill", before=pa.array([7]), behind=pa.array([8])) == [1, 1, 8]


def test_nothing_to_take_stays_missing():
    assert filled([None, None], "ffill") == [None, None]


def test_other_strategies_leave_no_gaps():
    assert gaps_of_missing(pa.array([None, 1]), "fill_with_const") is None


@pytest.mark.parametrize("strategy", ["ffill", "bfill"])
@given(values=st.lists(st.none() | st.integers(0, 9), max_size=30), size=st.integers(1, 9))
def test_batches_of_any_size_are_filled_alike(strategy, values, size):
    column = pa.array(values, pa.int64())
    batches = [column.slice(start, size) for start in range(0, len(column), size)]
    result, before = [], NOTHING
    for number, batch in enumerate(batches):
        firsts = [first_usable(later, gaps_of_missing(later, strategy)) for later in batches[number + 1 :]]
        behind = next((first for first in firsts if len(first)), NOTHING)
        gaps = gaps_of_missing(batch, strategy)
        result += fill_gaps(batch, gaps, before, behind).to_pylist()
        before = last_usable(batch, gaps, before)
    assert result == filled(values, strategy)


def test_dictionaries_are_filled_across_batches():
    column = pa.array([None, "b"]).dictionary_encode()
    before = pa.array(["a"]).dictionary_encode()
    gaps = gaps_of_missing(column, "ffill")
    assert fill_gaps(column, gaps, before, pa.nulls(0, column.type)).to_pylist() == ["a", "b"]
