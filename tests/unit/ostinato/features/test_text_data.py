import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.column import input_column, read_fitted
from ostinato.features.text.spec import TextInputSpec


def text(**preprocessing):
    return input_column(TextInputSpec.model_validate({"name": "t", "preprocessing": preprocessing}))


def fitted(column, values):
    return column.fit(column.analyze(column.parse(pa.array(values, pa.string()))[0], 0))


def encoded(column, values, training=None):
    parsed, _ = column.parse(pa.array(values, pa.string()))
    return column.encode(parsed, fitted(column, training or values)).tolist()


@pytest.mark.parametrize(
    ("tokenizer", "value", "expected"),
    [
        ("space", " Hello,  world!\tab ", ["Hello,", "world!", "ab"]),
        ("space_punct", "Hello, über_x! it's 3.5", ["Hello", ",", "über_x", "!", "it", "'", "s", "3", ".", "5"]),
        ("space_punct", "日本、語\u3000x", ["日本", "、", "語", "x"]),
        ("characters", "a é\n", ["a", " ", "é", "\n"]),
        ("underscore", "a_b c", ["a", "b c"]),
        ("comma", "a,b c", ["a", "b c"]),
        ("untokenized", " a b ", [" a b "]),
        ("stripped", " a b ", ["a b"]),
    ],
)
def test_texts_are_cut_as_the_tokenizer_says(tokenizer, value, expected):
    parsed, _ = text(tokenizer=tokenizer).parse(pa.array([value, None, value]))
    assert parsed.to_pylist() == [expected, None, expected]


@pytest.mark.parametrize("tokenizer", ["space", "space_punct"])
@given(st.lists(st.text(st.characters(max_codepoint=0x3000, exclude_categories=["Cs"]), max_size=8)))
def test_plain_and_other_texts_are_cut_alike(tokenizer, values):
    column = text(tokenizer=tokenizer, lowercase=True)
    together, _ = column.parse(pa.array([*values, "é\u2003"], pa.string()))
    alone = [column.parse(pa.array([value], pa.string()))[0][0].as_py() for value in values]
    assert together.to_pylist()[:-1] == alone


def test_spaces_at_the_end_of_the_last_text_are_no_symbol():
    """Arrow alone reads behind the end of such a text, and what lies there decides whether it finds a symbol more."""
    column = text(tokenizer="space", lowercase=True)
    random = np.random.default_rng(0)
    letters = [" ", "\x1f", "\x85", "\xa0", "\u2028", "ä", "字"]
    for _ in range(3000):
        value = "".join(random.choice(letters, 6))
        symbols, _ = column.parse(pa.array([value]))
        assert symbols.to_pylist() == [value.split() or None]


def test_slices_of_a_batch_are_cut_alike():
    parsed, _ = text().parse(pa.array(["x y", "a b c", "d"]).slice(1))
    assert parsed.to_pylist() == [["a", "b", "c"], ["d"]]


def test_lists_of_symbols_that_were_chosen_and_joined_keep_their_symbols():
    first, _ = text().parse(pa.array(["x y", None, "z"]))
    second, _ = text().parse(pa.array(["a z", "x"]))
    joined = pa.concat_arrays([first.slice(1), second]).take(pa.array([3, 0, None, 1]))
    assert joined.to_pylist() == [["x"], None, None, ["z"]]
    column = text()
    assert column.encode(joined, fitted(column, ["x x z"])).tolist() == [[2, 0, 0], [1, 0, 0], [1, 0, 0], [3, 0, 0]]


def test_codes_fall_with_frequency_behind_padding_and_unknown():
    fit = fitted(text(), ["b a b", "c"])
    assert fit.vocabulary == ("<PAD>", "<UNK>", "b", "a", "c")
    assert encoded(text(), ["b a b", "c"]) == [[2, 3, 2], [4, 0, 0]]


def test_unseen_symbols_are_unknown_even_if_named_like_the_padding():
    assert encoded(text(tokenizer="space"), ["a <PAD> z"], training=["a a a"]) == [[2, 1, 1]]


def test_short_texts_are_filled_on_the_side_asked_for():
    assert encoded(text(padding="left"), ["b a b", "c", None]) == [[2, 3, 2], [0, 0, 4], [0, 0, 1]]


def test_the_length_is_that_of_the_longest_training_text_within_the_limit():
    training = ["a b c d", "a"]
    assert fitted(text(), training).length == 4
    assert fitted(text(max_sequence_length=2), training).length == 2
    assert fitted(text(max_sequence_length=None), training).length == 4
    assert fitted(text(sequence_length=6), training).length == 6
    assert encoded(text(max_sequence_length=2), ["a b c d"], training) == [[2, 3]]


def test_rare_symbols_are_unknown():
    assert encoded(text(most_common=1), ["a a b"]) == [[2, 2, 1]]


def test_lower_case_joins_symbols():
    assert encoded(text(lowercase=True), ["A a"]) == [[2, 2]]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, [1, 0]),
        ({"fill_value": "b"}, [3, 0]),
        ({"missing_value_strategy": "fill_with_mode"}, [2, 2]),
        ({"missing_value_strategy": "drop_row"}, [1, 0]),
    ],
)
def test_a_missing_text_becomes_what_its_strategy_says(options, line):
    assert encoded(text(**options), [None, "  "], training=["a a", "a a", "b"]) == [line, line]


def test_without_texts_a_sequence_has_one_place():
    column = text()
    assert encoded(column, [None]) == [[1]]
    assert column.warnings(fitted(column, [None])) == ["t: no texts among the training rows; the column says nothing"]


def test_numbers_are_texts_too():
    parsed, _ = text().parse(pa.array([1.0, None]))
    assert parsed.to_pylist() == [["1"], None]


def test_decoding_joins_the_symbols():
    column = text()
    fit = fitted(column, ["b a b", "c"])
    assert column.decode(np.array([[2, 3, 2], [4, 0, 0], [1, 0, 0]]), fit).to_pylist() == ["b a b", "c", "<UNK>"]


def test_statistics_of_halves_are_those_of_the_whole_and_survive_json():
    column = text()
    whole, _ = column.parse(pa.array(["a b", None, "b c d", "a"]))
    halves = column.analyze(whole.slice(2), 2).merge(column.analyze(whole.slice(0, 2), 0))
    stats = column.analyze(whole, 0)
    assert halves.to_json() == stats.to_json()
    assert column.stats_type.from_json(json.loads(json.dumps(stats.to_json()))).to_json() == stats.to_json()
    fit = column.fit(stats)
    assert read_fitted(column.spec, json.loads(json.dumps(fit.model_dump(mode="json")))) == fit
    shape = column.shape(fit)
    assert (shape.kind, shape.vocab_size, shape.length, shape.padding_code) == ("sequence", 6, 3, 0)
