import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ostinato.errors import DataError
from ostinato.labels import label, labels


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, None], ["1", "2", None]),
        ([1.0, 2.5, float("nan"), None, -0.0, 1e300], ["1", "2.5", None, None, "0", "1e+300"]),
        (["1.0", "1", " 1.00", "1.5", "x.0", "", "  ", None], ["1", "1", "1", "1.5", "x.0", None, None, None]),
        ([True, False, None], ["True", "False", None]),
        ([None, None], [None, None]),
        ([Decimal("1.00"), Decimal("1.25")], ["1", "1.25"]),
        ([datetime.date(2020, 1, 2)], ["2020-01-02"]),
        ([float("inf")], ["inf"]),
        ([], []),
    ],
)
def test_values_of_any_type_become_text(values, expected):
    assert labels(pa.array(values), "c").to_pylist() == expected


def test_dictionaries_are_read_by_their_dictionary():
    raw = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 0], pa.int8()), pa.array(["1", "1.0", "a "]))
    encoded = labels(raw, "c")
    assert encoded.to_pylist() == ["1", "1", "a", None, "1"]
    assert encoded.dictionary.to_pylist() == ["1", "a"]


def test_chunks_with_dictionaries_of_their_own_become_one():
    raw = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "c"]).dictionary_encode()])
    assert labels(raw, "c").to_pylist() == ["a", "b", "b", "c"]


def test_lower_case_joins_values():
    assert labels(pa.array(["A", "a"]), "c", lowercase=True).dictionary.to_pylist() == ["a"]


def test_a_list_is_no_category():
    with pytest.raises(DataError, match=r"c: holds values of type list"):
        labels(pa.array([[1, 2]]), "c")


def test_one_value_has_a_label():
    assert [label(value) for value in (1, 1.0, True, "Yes ")] == ["1", "1", "True", "Yes"]
