"""The rules of type inference, one by one, and the configs that follow from them."""

import datetime

import pyarrow as pa
import pytest

from ostinato.batches import open_source
from ostinato.errors import DataError
from ostinato.load import load_config
from ostinato.statistics.table import collect
from ostinato.type_inference import check_dataset, infer_all, suggest

N = 100


def inferred(values, *, is_target=False):
    return infer_all(collect(open_source({"column": values})), ["column"] if is_target else [])["column"]


KINDS = {
    "decimals": ([number * 0.37 for number in range(N)], "number", ""),
    "numbers as text": ([str(number * 0.37) for number in range(N)], "number", ""),
    "numbers with some text": ([str(number * 0.37) for number in range(N - 1)] + ["x"], "number", ""),
    "counts": ([number % 7 for number in range(N)], "number", ""),
    "two numbers": ([number % 2 for number in range(N)], "binary", ""),
    "two words": (["yes", "no"] * 50, "binary", ""),
    "booleans": ([True, False, True] * 30, "binary", ""),
    "two words with gaps": (["yes", "no", None, "yes"] * 25, "category", ""),
    "words": (["a", "b", "c", "d"] * 25, "category", ""),
    "codes with zeros": (["001", "002", "010", "020"] * 25, "category", ""),
    "sentences": ([f"the {number} quick foxes jump over dogs" for number in range(N)], "text", ""),
    "phrases": ([f"a phrase {number}" for number in range(70)] + ["a phrase again"] * 30, "text", ""),
    "keys": ([f"key{number}" for number in range(N)], "category", "value of its own"),
    "names": ([f"Ada Lovelace-{number}" for number in range(N)], "category", "value of its own"),
    "row numbers": (list(range(1, N + 1)), "number", "numbers the rows"),
    "most values once": ([f"k{number}" for number in range(70)] + ["k"] * 30, "category", "too few of each"),
    "one value": (["same"] * N, "category", "same value everywhere"),
    "nothing": ([None] * N, "category", "no values"),
    "dates": ([datetime.date(2024, 1, 1 + number % 28) for number in range(N)], "date", ""),
    "dates as text": ([f"2024-01-{1 + number % 28:02}" for number in range(N)], "date", ""),
    "times as text": ([f"2024-01-01T{number % 24:02}:00:00Z" for number in range(N)], "date", ""),
    "images": ([f"images/{number}.PNG" for number in range(N)], "image", "not implemented yet"),
    "sounds": ([f"{number}.wav" for number in range(N)], "audio", "not implemented yet"),
    "lists": ([[1.0, 2.0]] * N, "vector", "say what they are"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_what_it_looks_like(kind):
    values, expected, left_out = KINDS[kind]
    column = inferred(values)
    assert column.type == expected
    assert left_out in column.left_out
    assert bool(left_out) == bool(column.left_out)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 2] * 30, "category"),
        ([1, 2, 3] * 30, "category"),
        ([3, 4, 5, 6, 7, 8] * 20, "number"),
        ([1, 5, 9] * 30, "number"),
        (list(range(100)), "number"),
        (["no", "yes", None] * 30, "binary"),
    ],
)
def test_a_target_of_classes_is_a_category(values, expected):
    assert inferred(values, is_target=True).type == expected


def table():
    return {
        "age": [20 + number % 50 for number in range(N)],
        "job": ["cook", "clerk", "nurse", "cook"] * 25,
        "id": [f"id{number}" for number in range(N)],
        "split": [0, 0, 0, 2] * 25,
        "grade": [0, 1, 2, 1] * 25,
    }


def test_a_suggested_config_is_right_and_says_what_was_left_out():
    suggestion = suggest(table(), ["grade"])
    assert suggestion.config == {
        "input_features": [{"name": "age", "type": "number"}, {"name": "job", "type": "category"}],
        "output_features": [{"name": "grade", "type": "category"}],
    }
    load_config(suggestion.config)
    notes = "\n".join(suggestion.notes)
    assert "id is left out" in notes
    assert "split is left out" in notes
    assert "taken as classes" in notes


def test_a_target_that_is_no_column_is_named():
    with pytest.raises(DataError, match="did you mean 'grade'"):
        suggest(table(), ["grades"])


def test_targets_that_cannot_be_predicted_are_named():
    data = table() | {"one": ["x"] * N, "when": ["2024-01-01", "2024-01-02"] * 50}
    with pytest.raises(DataError) as error:
        suggest(data, ["one", "when"])
    assert len(error.value.problems) == 2


def test_data_without_rows_or_without_inputs_is_a_data_error():
    with pytest.raises(DataError, match="no rows"):
        suggest(pa.table({"x": pa.array([], pa.string())}), ["x"])
    with pytest.raises(DataError, match="no column is left"):
        suggest({"id": list(range(N)), "y": [0, 1] * 50}, ["y"])


def config(**types):
    inputs = [{"name": name, "type": kind} for name, kind in types.items()]
    return load_config({"input_features": inputs, "output_features": [{"name": "grade", "type": "category"}]}).config


def test_a_config_that_fits_its_data_is_right():
    check_dataset(config(age="number", job="category", split="binary"), table())


def test_everything_that_does_not_fit_is_said_at_once():
    data = table() | {"grade": ["x"] * N}
    with pytest.raises(DataError) as error:
        check_dataset(config(age="binary", job="number"), data)
    text = str(error.value)
    assert "age: has 50 values, not two" in text
    assert "job: 100 of 100 values are no numbers: 'c" in text
    assert "grade: has one value everywhere" in text


def test_columns_that_are_missing_are_all_named():
    with pytest.raises(DataError) as error:
        check_dataset(config(aeg="number", nothing="category"), table())
    assert "did you mean 'age'?" in str(error.value)
    assert "'nothing'" in str(error.value)
