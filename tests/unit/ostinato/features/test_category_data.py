import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.column import input_column, output_column, read_fitted
from ostinato.errors import DataError
from ostinato.features.category.spec import CategoryInputSpec, CategoryOutputSpec


def category(**preprocessing):
    return input_column(CategoryInputSpec.model_validate({"name": "c", "preprocessing": preprocessing}))


def target(**preprocessing):
    return output_column(CategoryOutputSpec.model_validate({"name": "c", "preprocessing": preprocessing}))


def fitted(column, values):
    return column.fit(column.analyze(column.parse(pa.array(values))[0], 0))


def encoded(column, values, training=None):
    return column.encode(column.parse(pa.array(values))[0], fitted(column, training or values)).tolist()


def test_codes_fall_with_frequency_ties_by_name():
    assert fitted(category(), ["b", "a", "c", "b"]).vocabulary == ("b", "a", "c")
    assert encoded(category(), ["b", "a", "c", "b"]) == [1, 2, 3, 1]
    assert encoded(target(), ["b", "a", "c", "b"]) == [0, 1, 2, 0]


def test_a_frame_and_a_csv_of_it_give_the_same_codes():
    frame, text = [1.0, 2.0, None, 2.0], ["1.0", "2.0", "", "2.0"]
    assert encoded(category(), frame) == encoded(category(), text) == encoded(category(), [1, 2, None, 2])
    assert encoded(category(), [True, False]) == encoded(category(), ["True", "False"])


def test_unseen_and_missing_values_of_an_input_have_code_0():
    assert encoded(category(), ["new", None, "a"], training=["a", "b"]) == [0, 0, 1]


def test_an_unseen_class_of_a_target_is_minus_1():
    assert encoded(target(), ["new", None, "a"], training=["a", "b"]) == [-1, -1, 0]


def test_rare_values_share_code_0():
    fit = fitted(category(most_common=1), ["a", "a", "b", "c"])
    assert (fit.vocabulary, fit.rare, fit.distinct) == (("a",), 2, 3)
    assert encoded(category(most_common=1), ["a", "a", "b", "c"]) == [1, 1, 0, 0]


def test_rare_classes_of_a_target_do_not_train():
    column = target(most_common=2)
    parsed, _ = column.parse(pa.array(["a", "a", "b", "b", "c"]))
    assert column.drops(parsed, column.fit(column.analyze(parsed, 0))).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, 0),
        ({"fill_value": "b"}, 2),
        ({"fill_value": "new"}, 0),
        ({"missing_value_strategy": "fill_with_mode"}, 1),
        ({"missing_value_strategy": "ffill"}, 1),
        ({"missing_value_strategy": "drop_row"}, 0),
        ({"fill_value": "B", "lowercase": True}, 2),
    ],
)
def test_a_missing_value_becomes_what_its_strategy_says(options, code):
    assert encoded(category(**options), [None, "a"], training=["a", "a", "b", None]) == [code, 1]


def test_lower_case_joins_values():
    assert encoded(category(lowercase=True), ["A", "a", "B"]) == [1, 1, 2]


def test_one_class_is_an_error():
    with pytest.raises(DataError, match="c: has only the class 'a' among the training rows"):
        fitted(target(), ["a", "a", None])
    with pytest.raises(DataError, match="c: has no values among the training rows"):
        fitted(target(), [None])


def test_decoding_gives_names_back():
    column = category()
    fit = fitted(column, ["b", "a", "b"])
    assert column.decode(np.array([1, 2, 0]), fit).to_pylist() == ["b", "a", None]


@given(st.lists(st.text(min_size=1).filter(lambda text: text.strip() == text), min_size=1, max_size=20))
def test_decoding_is_the_inverse_of_encoding(values):
    column = category()
    parsed, _ = column.parse(pa.array(values))
    fit = column.fit(column.analyze(parsed, 0))
    assert column.decode(column.encode(parsed, fit), fit).to_pylist() == parsed.to_pylist()


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30), st.integers(1, 30))
def test_batches_of_any_size_fit_alike(values, size):
    column = category()
    whole, _ = column.parse(pa.array(values, pa.string()))
    merged = column.stats_type()
    for start in range(0, len(values), size):
        merged = column.analyze(whole.slice(start, size), start).merge(merged)
    assert merged.to_json() == column.analyze(whole, 0).to_json()


def test_statistics_survive_json():
    column = category()
    stats = column.analyze(column.parse(pa.array(["a", None]))[0], 0)
    assert column.stats_type.from_json(json.loads(json.dumps(stats.to_json()))).to_json() == stats.to_json()
    fit = column.fit(stats)
    assert read_fitted(column.spec, json.loads(json.dumps(fit.model_dump(mode="json")))) == fit


def test_shapes_leave_room_for_the_unknown_of_inputs_only():
    assert category().shape(fitted(category(), ["a", "b"])).vocab_size == 3
    shape = target().shape(fitted(target(), ["a", "b", "b"]))
    assert (shape.vocab_size, shape.classes, shape.class_counts) == (2, ("b", "a"), (2, 1))


def test_predictions_are_named_as_ludwig_names_them():
    columns = target().predictions(np.array([[0.25, 0.75], [0.5, 0.5]]), fitted(target(), ["a", "b", "b"]))
    assert {name: values.to_pylist() for name, values in columns.items()} == {
        "c_predictions": ["a", "b"],
        "c_probability": [0.75, 0.5],
        "c_probabilities": [[0.25, 0.75], [0.5, 0.5]],
        "c_probabilities_b": [0.25, 0.5],
        "c_probabilities_a": [0.75, 0.5],
    }


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ([None, None], "c: no values among the training rows; the column says nothing"),
        (["a", "a"], "c: every training row has the same value, 'a'"),
        ([f"id{i}" for i in range(30)], "c: no value occurs twice; it looks like an identifier"),
    ],
)
def test_columns_that_say_little_warn(values, warning):
    column = category()
    assert column.warnings(fitted(column, pa.array(values, pa.string()))) == [warning]


def test_a_column_of_a_hundred_thousand_values_works():
    column = category(most_common=100)
    names = np.char.add("v", np.arange(100_000).astype(str))
    parsed, _ = column.parse(pa.array(np.concatenate([names, names[:100]])))
    fit = column.fit(column.analyze(parsed, 0))
    assert set(fit.vocabulary) == set(names[:100])
    assert (column.encode(parsed, fit) > 0).sum() == 200
