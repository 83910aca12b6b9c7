"""YAML and JSON as they are written: values, places, and what can't be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.document import Section, from_mapping, mark_of, plain
from ostinato.errors import ConfigError
from ostinato.yaml_document import from_file, from_text


def read(text: str) -> Section:
    return from_text(text, "c.yaml")


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    (only,) = caught.value.problems
    return str(only)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5E-4", 0.0005),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("-3", -3),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ("1:30", "1:30"),
        ("'5'", "5"),
        ("' >50K'", " >50K"),
        ("!!str 5", "5"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    found = read(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_as_they_are_written():
    assert list(read("1: a\nyes: b\n2.50: c\nnull: d")) == ["1", "yes", "2.50", "null"]


def test_each_key_and_value_knows_its_place():
    document = read("a:\n  - {b: 1}\n  - c:  hello\n")
    assert str(mark_of(document, ("a", 1, "c"))) == "c.yaml:3:9"
    assert str(mark_of(document, ("a", 1, "c"), key=True)) == "c.yaml:3:5"
    assert str(mark_of(document, ("a", 1, "missing", "deeper"))) == "c.yaml:3:5"


def test_anchors_aliases_and_merge_keys_work():
    document = read("x: &x {k: 1, l: 2}\ny:\n  <<: *x\n  k: 3\nz: *x\nm:\n  <<: [{k: 9}, *x]\n")
    assert plain(document) == {
        "x": {"k": 1, "l": 2},
        "y": {"k": 3, "l": 2},
        "z": {"k": 1, "l": 2},
        "m": {"k": 9, "l": 2},
    }


def test_an_alias_within_itself_is_refused():
    assert "within what it stands for" in problem("a: &a [*a]")


def test_aliases_that_multiply_are_refused():
    levels = [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]" for n in range(8)]
    assert "more than 200,000 values" in problem("\n".join(["a: &a [1]", *levels]))


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 100_000 + "a", "a: " + "{b: " * 5000, "? " * 50_000])
def test_a_text_too_deep_for_the_parser_is_refused(text):
    assert "more than 60 sections within sections" in problem(text)


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "c.yaml", "is empty"),
        ("# only a comment\n", "c.yaml", "is empty"),
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1", "the key 'a' is there twice, first in line 1"),
        ("a:\n\t- b\n", "c.yaml:2:1", "a tab indents this line"),
        ("a: [1, 2\nb: 3\n", "c.yaml:2:2", "the list that opens in line 1, column 4 is not closed"),
        ("a: {b: 1\nc: 2\n", "c.yaml:2:2", "the mapping that opens in line 1, column 4 is not closed"),
        ("- a\n- b\n", "c.yaml:1:1", "the config is a list of 2"),
        ("hello", "c.yaml:1:1", "the config is the text 'hello'"),
        ("a: *nowhere", "c.yaml:1:4", "undefined alias"),
        ("a: !!python/object:os.system x", "c.yaml:1:4", "!!python/object:os.system"),
        ("a: !mine {b: 1}", "c.yaml:1:4", "the tag !mine"),
        ("a: .inf", "c.yaml:1:4", "no finite number"),
        ("a: 1e999", "c.yaml:1:4", "no finite number"),
        ("a: 1\n---\nb: 2\n", "c.yaml:2:1", "a second document"),
        ("{[1]: 2}", "c.yaml:1:2", "a key is a list or mapping"),
        ("a: b: c", "c.yaml:1:5", "mapping values are not allowed here"),
        ("a: 'open\n", "c.yaml:2:1", "quoted scalar"),
        ("a: 1\nb: \x07\n", "c.yaml:2", "may not be in YAML"),
    ],
)
def test_what_is_no_config_says_where_and_why(text, where, words):
    said = problem(text)
    assert said.startswith(f"{where}: ")
    assert words in said


def test_json_may_hold_tabs_and_surrogate_pairs():
    assert plain(read('{\t"a": "\\ud83d\\ude00 \\/",\n\t"b": [1, 2.5e3]}')) == {"a": "😀 /", "b": [1, 2500.0]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
def test_json_reads_as_json_does(value):
    assert plain(from_text(json.dumps(value), "c.json")) == value
    assert plain(from_mapping(value)) == value


def test_python_values_become_what_yaml_could_hold(tmp_path):
    import numpy

    found = from_mapping({"a": numpy.int64(3), "b": numpy.float32(0.5), "c": (1, 2), 4: tmp_path})
    assert plain(found) == {"a": 3, "b": 0.5, "c": [1, 2], "4": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"a\.0: a config cannot hold a set"):
        from_mapping({"a": [{1}]})


def test_a_missing_file_suggests_one_that_is_there(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"there is no such file\n.*did you mean 'config.yaml'"):
        from_file(tmp_path / "confg.yaml")


def test_a_file_in_another_encoding_says_so(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes("a: 1\nb: ä\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"config\.yaml:2: byte 0xe4 is no UTF-8"):
        from_file(path)
    path.write_bytes("\ufeffa: 1".encode())
    assert plain(from_file(path)) == {"a": 1}
    with pytest.raises(ConfigError, match="cannot be read"):
        from_file(tmp_path)
