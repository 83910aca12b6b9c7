"""Sets and bags: inputs of codes, targets of codes, predictions."""

import numpy as np
import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError


def test_a_set_has_each_symbol_once_and_a_bag_as_often_as_it_occurs():
    values = pa.array(["b a a", "a c", "a"])
    # a is 2, the most frequent; b and c follow by name.
    assert encode(column("set"), values).tolist() == [[2, 3], [2, 4], [2, 0]]
    assert encode(column("bag"), values).tolist() == [[2, 2, 3], [2, 4, 0], [2, 0, 0]]


def test_the_order_of_symbols_makes_no_difference():
    assert encode(column("set"), pa.array(["x y z", "z y x"])).tolist() == [[2, 3, 4]] * 2


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.string()), pa.large_list(pa.string())])
def test_lists_are_taken_as_they_are_and_text_is_cut(kind):
    values = ["a b", "c d"] if kind == pa.string() else [["a b", "c"], ["c"]]
    fitted = fit(column("set"), pa.array(values, kind))
    assert set(fitted.vocabulary[2:]) == ({"a", "b", "c", "d"} if kind == pa.string() else {"a b", "c"})


def test_the_separator_within_a_value_needs_another_tokenizer():
    comma = column("set", preprocessing={"tokenizer": "comma"})
    assert fit(comma, pa.array(["New York, Rome", "Rome"])).vocabulary[2:] == ("Rome", "New York")
    assert fit(column("set"), pa.array(["New York, Rome", "Rome"])).vocabulary[2:] == ("Rome", "New", "York,")


def test_an_empty_value_is_the_set_of_nothing_and_a_missing_one_is_unknown():
    values = pa.array(["a b", "", None, "a"])
    assert encode(column("set"), values).tolist() == [[2, 3], [0, 0], [1, 0], [2, 0]]
    lists = pa.array([["a", "b"], [], None, ["a", None]])
    assert encode(column("set"), lists).tolist() == [[2, 3], [0, 0], [1, 0], [2, 0]]


def test_symbols_that_training_did_not_see_are_one_unknown_symbol_of_a_set():
    training = pa.array(["a b", "a c"])
    assert encode(column("set"), pa.array(["q r a"]), training).tolist() == [[2, 1]]
    assert encode(column("bag"), pa.array(["q r"]), training).tolist() == [[1, 1]]


def test_more_symbols_than_training_had_are_cut_off_rarest_first():
    training = pa.array(["a b", "a c", "a"])
    assert encode(column("set"), pa.array(["c b a"]), training).tolist() == [[2, 3]]
    long = column("set", preprocessing={"max_symbols": 2})
    fitted = fit(long, pa.array(["a b c d"]))
    assert fitted.length == 2
    assert long.warnings(fitted) == ["x: values of up to 4 symbols; 2 are kept (max_symbols)"]


@pytest.mark.parametrize(
    ("preprocessing", "expected"),
    [
        ({"missing_value_strategy": "fill_with_const", "fill_value": "b"}, [3, 0]),
        ({"missing_value_strategy": "fill_with_const", "fill_value": ""}, [0, 0]),
        ({"missing_value_strategy": "fill_with_mode"}, [2, 3]),
    ],
)
def test_missing_sets_are_filled_as_the_strategy_says(preprocessing, expected):
    values = pa.array(["a b", "b a", "a", None])
    assert encode(column("set", preprocessing=preprocessing), values)[-1].tolist() == expected


def test_a_target_has_codes_from_0_and_leaves_out_what_training_did_not_know():
    target = column("set", is_output=True)
    training = pa.array(["a b", "a", "a c"])
    assert encode(target, pa.array(["b a", "", "q", "c q"]), training).tolist() == [[0, 1], [-1, -1], [-1, -1], [2, -1]]
    shape = target.shape(fit(target, training))
    assert (shape.kind, shape.classes, shape.class_counts, shape.rows) == ("set", ("a", "b", "c"), (3, 1, 1), 3)


def test_a_missing_target_is_dropped_and_one_of_nothing_is_not():
    target = column("set", is_output=True)
    parsed, _ = target.parse(pa.array(["a", "", None]))
    assert target.drops(parsed, None).tolist() == [False, False, True]


def test_a_target_without_symbols_is_an_error():
    with pytest.raises(DataError, match="no symbols among the training rows"):
        fit(column("set", is_output=True), pa.array(["", ""]))


def test_predictions_are_the_symbols_above_the_threshold_and_all_probabilities():
    target = column("set", is_output=True, threshold=0.4)
    fitted = fit(target, pa.array(["a b", "a"]))
    found = target.predictions(np.array([[0.9, 0.4], [0.1, 0.2]], np.float32), fitted)
    assert list(found) == ["x_predictions", "x_probabilities", "x_probabilities_a", "x_probabilities_b"]
    assert found["x_predictions"].to_pylist() == [["a", "b"], []]
    assert found["x_probabilities_b"].to_pylist() == pytest.approx([0.4, 0.2])


@pytest.mark.parametrize("kind", ["set", "bag", "sequence"])
def test_parts_and_their_order_make_no_difference(kind):
    values = pa.array(["b a a", None, "a c", "", "c c d"] * 7)
    assert fit(column(kind), values) == fit(column(kind), values, parts=9)


def test_codes_become_symbols_again():
    source = column("set")
    values = pa.array(["b a", "c"])
    fitted = fit(source, values)
    assert source.decode(encode(source, values), fitted).to_pylist() == ["a b", "c"]
    target = column("set", is_output=True)
    assert target.decode(encode(target, values), fit(target, values)).to_pylist() == ["a b", "c"]


def test_structs_are_no_symbols():
    with pytest.raises(DataError, match="struct"):
        column("set").parse(pa.array([{"a": 1}]))
