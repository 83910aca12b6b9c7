"""Vectors: one length, no text in them."""

import numpy as np
import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["0.5 1 -2e3", "1 2 3"]),
        pa.array(["[0.5, 1, -2e3]", "(1;2;3)"]),
        pa.array([[0.5, 1, -2000], [1, 2, 3]]),
        pa.array([[0.5, 1, -2000], [1, 2, 3]], pa.list_(pa.float32(), 3)),
        pa.array([["0.5", "1", "-2e3"], ["1", "2", "3"]]),
        pa.array([["0.5", "1", "-2e3"], ["1", "2", "3"]]).slice(0),
    ],
)
def test_vectors_are_read_from_texts_and_lists(values):
    assert encode(column("vector"), values).tolist() == [[0.5, 1, -2000], [1, 2, 3]]


def test_slices_are_read_alike():
    values = pa.array([[9.0], [1.0, 2.0], [3.0, 4.0]]).slice(1)
    assert encode(column("vector"), values).tolist() == [[1, 2], [3, 4]]
    assert encode(column("vector"), pa.array(["9", "1 2", "3 4"]).slice(1)).tolist() == [[1, 2], [3, 4]]


def test_vectors_of_several_lengths_are_an_error_that_counts_them():
    with pytest.raises(DataError) as error:
        fit(column("vector"), pa.array(["1 2", "1 2 3", "4 5"]), parts=2)
    assert "x: has vectors of 2 lengths: 2 (2 rows), 3 (1 rows)" in str(error.value)
    assert "vector_size" in str(error.value)


def test_with_a_size_other_lengths_are_unparsable():
    parsed, unparsable = column("vector", preprocessing={"vector_size": 2}).parse(pa.array(["1 2", "1 2 3", None]))
    assert parsed.to_pylist() == [[1, 2], None, None]
    assert (unparsable.count, unparsable.samples) == (1, ("a vector of 3",))


@pytest.mark.parametrize("bad", ["1 two", "1 2x", "1 nan", "1 inf", "a"])
def test_text_and_what_is_no_finite_number_within_a_vector_make_it_unparsable(bad):
    parsed, unparsable = column("vector").parse(pa.array(["1 2", bad, "", None, "[]"]))
    assert parsed.to_pylist() == [[1, 2], None, None, None, None]
    assert (unparsable.count, unparsable.samples) == (1, (bad,))


def test_missing_vectors_are_zeros_or_the_fill_value():
    values = pa.array(["1 2", None])
    assert encode(column("vector"), values).tolist() == [[1, 2], [0, 0]]
    assert encode(column("vector", preprocessing={"fill_value": "7 8"}), values).tolist() == [[1, 2], [7, 8]]
    with pytest.raises(DataError, match="2 numbers, with spaces between"):
        fit(column("vector", preprocessing={"fill_value": "7"}), values)


def test_a_vector_of_another_length_than_in_training_is_an_error():
    with pytest.raises(DataError, match="1 vectors of another length, as 3"):
        encode(column("vector"), pa.array(["1 2 3"]), pa.array(["1 2"]))


def test_times_are_no_vectors():
    with pytest.raises(DataError, match="lists of numbers, or text with numbers"):
        column("vector").parse(pa.array([[1]], pa.list_(pa.time32("s"))))


def test_predictions_are_lists():
    target = column("vector", is_output=True)
    fitted = fit(target, pa.array(["1 2"]))
    found = target.predictions(np.array([[1, 2], [3, 4]], np.float32), fitted)
    assert found["x_predictions"].to_pylist() == [[1, 2], [3, 4]]
    assert target.shape(fitted).num_scores == 2


def test_a_size_of_the_output_is_that_of_its_vectors():
    parsed, unparsable = column("vector", is_output=True, vector_size=3).parse(pa.array(["1 2"]))
    assert parsed.to_pylist() == [None]
    assert unparsable.count == 1
