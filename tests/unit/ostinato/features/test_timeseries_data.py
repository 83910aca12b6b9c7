"""Series: unequal lengths, gaps, one point."""

import numpy as np
import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError

NAN = float("nan")


def same(found, expected):
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_series_of_unequal_length_are_filled_up_on_one_side():
    values = pa.array(["1 2 3", "4", "5 6"])
    same(encode(column("timeseries"), values), [[1, 2, 3], [4, NAN, NAN], [5, 6, NAN]])
    left = column("timeseries", preprocessing={"padding": "left"})
    same(encode(left, values), [[1, 2, 3], [NAN, NAN, 4], [NAN, 5, 6]])


def test_series_of_one_point_are_series():
    same(encode(column("timeseries"), pa.array([1.5, 2.5])), [[1.5], [2.5]])
    same(encode(column("timeseries"), pa.array([[1.5], [2.5]])), [[1.5], [2.5]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1 nan 3", "nan 5 null", "? 7 7"], [[1, 1, 3], [5, 5, 5], [7, 7, 7]]),
        ([[1.0, None, 3.0], [None, 5.0, NAN], [NAN, 7.0, 7.0]], [[1, 1, 3], [5, 5, 5], [7, 7, 7]]),
    ],
)
def test_a_gap_has_the_number_before_it(values, expected):
    same(encode(column("timeseries"), pa.array(values)), expected)


def test_a_series_of_nothing_but_gaps_is_missing():
    parsed, unparsable = column("timeseries").parse(pa.array(["nan nan", "1 2", ""]))
    assert parsed.to_pylist() == [None, [1, 2], None]
    assert not unparsable.count


def test_text_within_a_series_makes_it_unparsable():
    parsed, unparsable = column("timeseries").parse(pa.array(["1 x 3", "1 2"]))
    assert parsed.to_pylist() == [None, [1, 2]]
    assert unparsable.samples == ("1 x 3",)


def test_what_is_beyond_the_limit_is_cut_off_and_said():
    short = column("timeseries", preprocessing={"timeseries_length_limit": 2})
    values = pa.array(["1 2 3", "4 5"])
    same(encode(short, values), [[1, 2], [4, 5]])
    assert short.warnings(fit(short, values)) == [
        "x: series of up to 3 steps; the first 2 are kept (timeseries_length_limit)"
    ]


def test_a_missing_series_is_padding_or_the_fill_value():
    values = pa.array(["1 2 3", None])
    same(encode(column("timeseries"), values)[1], [NAN] * 3)
    same(encode(column("timeseries", preprocessing={"fill_value": "9 8"}), values)[1], [9, 8, NAN])
    with pytest.raises(DataError, match="fill_value: found"):
        fit(column("timeseries", preprocessing={"fill_value": "9 x"}), values)


def test_series_become_lists_again():
    source = column("timeseries")
    values = pa.array(["1 2 3", "4", None])
    assert source.decode(encode(source, values), fit(source, values)).to_pylist() == [[1, 2, 3], [4], []]


def test_the_longest_of_all_parts_is_the_length():
    assert fit(column("timeseries"), pa.array(["1", "1 2 3", "1 2", "5"]), parts=4).length == 3
