import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.column import input_column, output_column, read_fitted
from ostinato.errors import DataError
from ostinato.features.number.spec import NumberInputSpec, NumberOutputSpec

finite = st.floats(-1e6, 1e6, allow_nan=False)


def number(**preprocessing):
    return input_column(NumberInputSpec.model_validate({"name": "x", "preprocessing": preprocessing}))


def target(clip=None, **preprocessing):
    return output_column(NumberOutputSpec.model_validate({"name": "y", "preprocessing": preprocessing, "clip": clip}))


def fitted(column, values):
    return column.fit(column.analyze(pa.array(values, pa.float64()), 0))


def encoded(column, values, training=None):
    return column.encode(pa.array(values, pa.float64()), fitted(column, training or values)).tolist()


def test_text_is_read_as_people_write_numbers():
    raw = pa.array(["1", " 2.5 ", "-3e2", "+.5", "7.", "1,234.5", "-1,234,567"])
    parsed, unparsable = number().parse(raw)
    assert parsed.to_pylist() == [1.0, 2.5, -300.0, 0.5, 7.0, 1234.5, -1234567.0]
    assert unparsable.count == 0


def test_a_comma_that_parts_no_thousands_is_no_number():
    parsed, unparsable = number().parse(pa.array(["1,5", "12,34,567", "1234,567", "1,234"]))
    assert parsed.to_pylist() == [None, None, None, 1234.0]
    assert unparsable.samples == ("1,5", "12,34,567", "1234,567")


def test_words_for_missing_are_missing_not_unparsable():
    parsed, unparsable = number().parse(pa.array(["N/A", "nan", "", "-", "NULL", "?", None, "none"]))
    assert parsed.null_count == 8
    assert unparsable.count == 0


def test_infinity_is_missing_and_counted_apart():
    for raw in (pa.array(["inf", "-Infinity", "1"]), pa.array([math.inf, -math.inf, 1.0])):
        parsed, unparsable = number().parse(raw)
        assert parsed.to_pylist() == [None, None, 1.0]
        assert (unparsable.count, unparsable.infinite) == (0, 2)


def test_what_is_no_number_is_counted_with_samples():
    parsed, unparsable = number().parse(pa.array(["abc", "1", *["x"] * 10]))
    assert parsed.to_pylist()[:2] == [None, 1.0]
    assert unparsable.count == 11
    assert unparsable.samples == ("abc", "x", "x", "x", "x")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (pa.array([True, False, None]), [1.0, 0.0, None]),
        (pa.array([1, 2], pa.uint8()), [1.0, 2.0]),
        (pa.array([Decimal("1.25")]), [1.25]),
        (pa.array([float("nan"), 2.0]), [None, 2.0]),
        (pa.array([0.5], pa.float16()), [0.5]),
        (pa.nulls(2), [None, None]),
        (pa.array(["1", "2", "1"]).dictionary_encode(), [1.0, 2.0, 1.0]),
        (pa.chunked_array([["1"], ["2"]]), [1.0, 2.0]),
        (pa.array(["1"], pa.large_string()), [1.0]),
        (pa.array([], pa.string()), []),
    ],
)
def test_every_type_that_holds_numbers_is_read(raw, expected):
    assert number().parse(raw)[0].to_pylist() == expected


def test_unparsable_values_of_a_dictionary_are_counted_by_rows():
    _, unparsable = number().parse(pa.array(["abc", "abc", "1"]).dictionary_encode())
    assert unparsable.count == 2


def test_times_are_no_numbers():
    with pytest.raises(DataError, match=r"x: holds values of type timestamp"):
        number().parse(pa.array([0], pa.timestamp("s")))


def test_zscore_has_mean_0_and_deviation_1():
    assert encoded(number(), [4.0, 7.0, 13.0, 16.0]) == pytest.approx(np.array([-6, -3, 3, 6]) / math.sqrt(22.5))


def test_minmax_runs_from_0_to_1():
    assert encoded(number(normalization="minmax"), [2.0, 3.0, 4.0]) == [0.0, 0.5, 1.0]


def test_iq_has_median_0_and_quartiles_1_apart():
    assert encoded(number(normalization="iq"), [0.0, 1.0, 2.0, 3.0, 4.0]) == [-1.0, -0.5, 0.0, 0.5, 1.0]


def test_log1p_is_the_logarithm_and_refuses_minus_one():
    assert encoded(number(normalization="log1p"), [0.0, math.e - 1]) == pytest.approx([0.0, 1.0])
    with pytest.raises(DataError, match="log1p needs numbers above -1"):
        fitted(number(normalization="log1p"), [-1.0, 2.0])


def test_log1p_of_an_unseen_negative_number_is_that_of_the_least():
    assert encoded(number(normalization="log1p"), [-5.0], training=[0.0, 3.0]) == [0.0]


def test_no_normalization_leaves_numbers():
    assert encoded(number(normalization=None), [2.0, 30.0]) == [2.0, 30.0]


@pytest.mark.parametrize("normalization", ["zscore", "minmax", "iq", "log1p", None])
def test_a_constant_column_stays_finite(normalization):
    column = number(normalization=normalization)
    assert np.isfinite(encoded(column, [0.1] * 7)).all()
    assert column.warnings(fitted(column, [0.1] * 7)) == ["x: every training row has the same number, 0.1"]


def test_a_middle_half_of_nearly_one_value_is_no_scale():
    fit = fitted(target(normalization="iq"), [0.0, 0.0, 0.0, 1.0, 1e-264])
    assert fit.scale == pytest.approx(0.4)


@pytest.mark.parametrize("normalization", ["zscore", "minmax", "iq", "log1p", None])
@given(values=st.lists(st.floats(0, 1e4, allow_nan=False), min_size=2, max_size=20))
def test_decoding_is_the_inverse_of_encoding(normalization, values):
    column = target(normalization=normalization)
    fit = fitted(column, values)
    decoded = column.decode(column.encode(pa.array(values), fit), fit).to_pylist()
    assert decoded == pytest.approx(values, rel=1e-4, abs=(max(values) + 1) * 1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.0),
        ({"fill_value": 7.0}, (7 - 3) / math.sqrt(8 / 3)),
        ({"missing_value_strategy": "fill_with_mean", "fill_value": 7.0}, 0.0),
        ({"missing_value_strategy": "fill_with_mode"}, (1 - 3) / math.sqrt(8 / 3)),
        ({"missing_value_strategy": "bfill"}, 0.0),
        ({"missing_value_strategy": "drop_row"}, 0.0),
    ],
)
def test_a_missing_value_becomes_what_its_strategy_says(options, expected):
    assert encoded(number(**options), [None], training=[1.0, 3.0, 5.0, None]) == pytest.approx([expected])


def test_missing_values_do_not_move_the_mean():
    fit = fitted(number(), [1.0, None, 3.0])
    assert (fit.mean, fit.count, fit.missing) == (2.0, 2, 1)


def test_rows_are_dropped_only_when_asked():
    column = pa.array([1.0, None])
    assert number().drops(column, None) is None
    assert number(missing_value_strategy="drop_row").drops(column, None).tolist() == [False, True]


def test_outliers_are_beyond_the_threshold():
    training = [0.0] * 99 + [100.0]
    column = number(outlier_strategy="fill_with_const", fill_value=0.0, outlier_threshold=3.0)
    fit = fitted(column, training)
    assert column.decode(column.encode(pa.array([100.0, 20.0]), fit), fit).to_pylist() == pytest.approx(
        [0.0, 20.0], abs=1e-5
    )
    column = number(outlier_strategy="drop_row")
    assert column.drops(pa.array([100.0, 20.0, None]), fitted(column, training)).tolist() == [True, False, False]


def test_outliers_may_come_from_neighbours_and_missing_values_not():
    column = number(outlier_strategy="ffill", missing_value_strategy="fill_with_mean")
    gaps = column.gaps(pa.array([1.0, None, 100.0]), fitted(column, [0.0] * 99 + [100.0]))
    assert gaps.usable.tolist() == [True, False, False]
    assert gaps.forward.tolist() == [False, False, True]
    assert not gaps.backward.any()


def test_an_input_without_numbers_says_nothing_and_warns():
    column = number()
    fit = fitted(column, [None, None])
    assert column.encode(pa.array([None, 2.0], pa.float64()), fit).tolist() == [0.0, 2.0]
    assert column.warnings(fit) == ["x: no numbers among the training rows; the column says nothing"]


def test_a_target_without_numbers_is_an_error():
    with pytest.raises(DataError, match="y: has no numbers among the training rows"):
        fitted(target(), [None])


@given(st.lists(finite | st.none(), min_size=1, max_size=40), st.integers(1, 40))
def test_batches_of_any_size_and_order_fit_alike(values, size):
    column, whole = number(normalization="iq"), pa.array(values, pa.float64())
    parts = [column.analyze(whole.slice(start, size), start) for start in range(0, len(values), size)]
    merged = column.stats_type()
    for part in reversed(parts):
        merged = part.merge(merged)
    assert merged.to_json() == column.analyze(whole, 0).to_json()
    assert column.fit(merged) == fitted(column, values)


def test_statistics_survive_json():
    column = number()
    stats = column.analyze(pa.array([1.0, None, 0.1]), 0)
    back = column.stats_type.from_json(json.loads(json.dumps(stats.to_json())))
    assert back.to_json() == stats.to_json()
    empty = column.stats_type()
    assert column.stats_type.from_json(empty.to_json()).to_json() == empty.to_json()
    fit = column.fit(stats)
    assert read_fitted(column.spec, json.loads(json.dumps(fit.model_dump(mode="json")))) == fit


def test_shape_tells_the_way_back_to_units():
    column = target()
    shape = column.shape(fitted(column, [4.0, 7.0, 13.0, 16.0]))
    assert (shape.kind, shape.offset, shape.scale) == ("number", 10.0, math.sqrt(22.5))


def test_predictions_are_in_units_and_clipped():
    column = target(clip=[0.0, 12.0])
    columns = column.predictions(np.array([-9.0, 0.0, 9.0], np.float32), fitted(column, [4.0, 7.0, 13.0, 16.0]))
    assert {name: values.to_pylist() for name, values in columns.items()} == {"y_predictions": [0.0, 10.0, 12.0]}
