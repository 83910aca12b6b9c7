import json

import numpy as np
import pyarrow as pa
import pytest

from ostinato.column import input_column, output_column, read_fitted
from ostinato.errors import DataError
from ostinato.features.binary.spec import BinaryInputSpec, BinaryOutputSpec


def binary(**preprocessing):
    return input_column(BinaryInputSpec.model_validate({"name": "b", "preprocessing": preprocessing}))


def target(threshold=0.5, **preprocessing):
    spec = {"name": "b", "preprocessing": preprocessing, "threshold": threshold}
    return output_column(BinaryOutputSpec.model_validate(spec))


def fitted(column, values):
    return column.fit(column.analyze(column.parse(pa.array(values))[0], 0))


def encoded(column, values, training=None):
    return column.encode(column.parse(pa.array(values))[0], fitted(column, training or values)).tolist()


@pytest.mark.parametrize(
    "values",
    [
        ["true", "false"],
        ["True", "FALSE"],
        ["yes", "no"],
        ["Y", "n"],
        ["t", "f"],
        ["1", "0"],
        ["1.0", "0.0"],
        [True, False],
        [1, 0],
        [1.0, 0.0],
    ],
)
def test_usual_words_are_true_and_false(values):
    assert encoded(binary(), values) == [1.0, 0.0]


def test_spellings_of_the_usual_words_may_mix():
    assert encoded(binary(), ["yes", "TRUE", "no", "0"]) == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("values", "true"),
    [(["dog", "cat"], "dog"), (["<=50K", ">50K"], ">50K"), ([2, 10], "10"), ([-1, 1], "1"), (["9", "x"], "x")],
)
def test_of_two_other_values_the_last_is_true(values, true):
    assert fitted(binary(), values).true_label == true


@pytest.mark.parametrize(("label", "values"), [("cat", ["dog", "cat"]), (2, [10, 2]), ("no", ["yes", "no"])])
def test_the_fallback_label_is_true(label, values):
    assert encoded(binary(fallback_true_label=label), values) == [0.0, 1.0]


def test_a_fallback_label_that_no_row_has_is_an_error():
    with pytest.raises(DataError, match="did you mean 'dog'"):
        fitted(binary(fallback_true_label="dogs"), ["dog", "cat"])


def test_three_values_are_an_error_that_lists_them():
    with pytest.raises(DataError, match=r"b: has 3 values, not two: 'a', 'b', 'c'"):
        fitted(binary(), ["a", "b", "c"])


def test_one_value_is_an_error_for_a_target_and_a_warning_for_an_input():
    with pytest.raises(DataError, match="b: has only 'yes' among the training rows"):
        fitted(target(), ["yes", "yes"])
    fit = fitted(binary(), ["yes", "Yes"])
    assert (fit.true_label, fit.counts) == ("Yes", (0, 2))
    assert binary().warnings(fit) == ["b: every training row has the same value, 'Yes'"]


def test_an_input_without_values_is_false():
    column = binary()
    assert encoded(column, [None, None]) == [0.0, 0.0]
    assert column.warnings(fitted(column, [None])) == ["b: no values among the training rows; the column says nothing"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("fill_with_false", 0.0), ("fill_with_true", 1.0), ("fill_with_mode", 1.0), ("ffill", 1.0), ("drop_row", 0.0)],
)
def test_a_missing_or_unseen_value_becomes_what_the_strategy_says(strategy, expected):
    column = binary(missing_value_strategy=strategy)
    assert encoded(column, [None, "maybe"], training=["yes", "yes", "no"]) == [expected, expected]


def test_an_unknown_target_is_minus_1():
    assert encoded(target(), ["maybe", None, "no"], training=["yes", "no"]) == [-1.0, -1.0, 0.0]


def test_predictions_of_booleans_and_of_0_and_1_are_booleans():
    for values in ([True, False], [0, 1], ["true", "false"]):
        columns = target().predictions(np.array([0.5, 0.49]), fitted(target(), values))
        assert columns["b_predictions"].to_pylist() == [True, False]


def test_predictions_of_labels_are_labels():
    columns = target(threshold=0.7).predictions(np.array([0.75, 0.625]), fitted(target(), ["Yes", "No", "no", "no"]))
    assert {name: values.to_pylist() for name, values in columns.items()} == {
        "b_predictions": ["Yes", "no"],
        "b_probability": [0.75, 0.375],
        "b_probabilities": [[0.25, 0.75], [0.375, 0.625]],
        "b_probabilities_no": [0.25, 0.375],
        "b_probabilities_Yes": [0.75, 0.625],
    }


def test_decoding_is_the_inverse_of_encoding():
    column = target()
    parsed, _ = column.parse(pa.array(["cat", "dog", None]))
    fit = column.fit(column.analyze(parsed, 0))
    assert column.decode(column.encode(parsed, fit), fit).to_pylist() == ["cat", "dog", None]


def test_statistics_survive_json():
    column = target()
    stats = column.analyze(column.parse(pa.array(["a", "b", None]))[0], 0)
    assert column.stats_type.from_json(json.loads(json.dumps(stats.to_json()))).to_json() == stats.to_json()
    fit = column.fit(stats)
    assert read_fitted(column.spec, json.loads(json.dumps(fit.model_dump(mode="json")))) == fit
    shape = column.shape(fit)
    assert (shape.kind, shape.classes, shape.class_counts) == ("binary", ("a", "b"), (1, 1))
