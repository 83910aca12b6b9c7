"""Distributions over classes as targets."""

import numpy as np
import pyarrow as pa
import pytest
from columns import column, encode, fit

from ostinato.errors import DataError
from ostinato.load import load_config


def distribution(**preprocessing):
    vocab = {"vocab": ["a", "b"]}
    return column("category_distribution", is_output=True, preprocessing=vocab | preprocessing)


@pytest.mark.parametrize("values", [["0.25 0.75", "2 2"], ["[1, 3]", "(5;5)"], [[0.25, 0.75], [0.5, 0.5]]])
def test_probabilities_sum_up_to_1(values):
    assert encode(distribution(), pa.array(values)).tolist() == [[0.25, 0.75], [0.5, 0.5]]


@pytest.mark.parametrize("bad", ["0.5", "1 2 3", "-1 2", "0 0", "0.5 x"])
def test_what_is_no_distribution_is_unparsable(bad):
    parsed, unparsable = distribution().parse(pa.array(["1 3", bad, None, ""]))
    assert parsed.to_pylist() == [[0.25, 0.75], None, None, None]
    assert unparsable.count == 1


def test_the_mean_is_that_of_all_parts():
    values = pa.array(["1 3", None, "1 1", "1 0"])
    fitted = fit(distribution(), values, parts=4)
    assert fitted == fit(distribution(), values)
    assert fitted.mean == pytest.approx((1.75 / 3, 1.25 / 3), abs=1e-6)
    assert distribution().shape(fitted).class_counts == (2, 1)


def test_predictions_are_those_of_a_category():
    found = distribution().predictions(np.array([[0.3, 0.7]], np.float32), fit(distribution(), pa.array(["1 3"])))
    assert found["x_predictions"].to_pylist() == ["b"]
    assert found["x_probability"].to_pylist() == pytest.approx([0.7])
    assert list(found)[2:] == ["x_probabilities", "x_probabilities_a", "x_probabilities_b"]


def test_a_class_without_any_probability_is_said():
    fitted = fit(distribution(), pa.array(["1 0"]))
    assert distribution().warnings(fitted) == ["x: no training row gives 'b' any probability"]
    with pytest.raises(DataError, match="nothing to learn"):
        fit(distribution(), pa.array([None], pa.string()))


@pytest.mark.parametrize(("preprocessing", "message"), [({}, "vocab"), ({"vocab": ["a", "a"]}, "a name of its own")])
def test_the_classes_must_be_named(preprocessing, message):
    output = {"name": "y", "type": "category_distribution", "preprocessing": preprocessing}
    with pytest.raises(Exception, match=message):
        load_config({"input_features": [{"name": "x", "type": "number"}], "output_features": [output]})
