"""A config as it is written: YAML, JSON or a mapping, each key and value with the place it came from.

YAML is read by the rules of YAML 1.2, as JSON is: `1e-3` is a number; `yes`, `no`, `on`, `off` and dates are text
(a field that wants true or false takes those words, see `load`). A key is always text, as it is written.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from ostinato.errors import ConfigError, Problem, did_you_mean

if TYPE_CHECKING:
    import yaml

Key: TypeAlias = str | int
PathTo: TypeAlias = tuple[Key, ...]
Value: TypeAlias = Union[str, int, float, bool, "Section", "Items", None]

MOST_VALUES = 200_000
"""Values that aliases may make of a document: a bomb is refused before it fills the memory."""
MOST_LEVELS = 60
"""Sections within sections."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a key or value was written."""

    source: str = ""
    """File or override; empty for a mapping in Python."""
    line: int = 0
    """From 1; 0 where there are no lines."""
    column: int = 0
    """From 1."""
    path: PathTo = ()
    """Path in the document as it was written."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the places of its key and of itself."""

    value: Value
    key_at: Mark
    value_at: Mark


class Section(dict[str, Value]):
    """A mapping that knows where its keys and values were written."""

    __slots__ = ("keys_at", "values_at")

    def __init__(self) -> None:
        super().__init__()
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def put(self, key: str, value: Value, key_at: Mark, value_at: Mark | None = None) -> None:
        """Sets a value and its places."""
        self[key] = value
        self.keys_at[key] = key_at
        self.values_at[key] = value_at or key_at

    def entry(self, key: str) -> Entry:
        """A value and its places."""
        return Entry(self[key], self.keys_at[key], self.values_at[key])

    def add(self, key: str, entry: Entry) -> None:
        """Sets a value that was written elsewhere."""
        self.put(key, entry.value, entry.key_at, entry.value_at)

    def take(self, key: str) -> Entry:
        """Removes a value and gives it."""
        entry = self.entry(key)
        del self[key], self.keys_at[key], self.values_at[key]
        return entry

    def rename(self, old: str, new: str) -> None:
        """Gives a value another key, at the same place among the others."""
        for key in list(self):
            self.add(new if key == old else key, self.take(key))

    def section(self, key: str) -> Section | None:
        """The section below a key, if it is one."""
        value = self.get(key)
        return value if isinstance(value, Section) else None


class Items(list[Value]):
    """A list that knows where its items were written."""

    __slots__ = ("values_at",)

    def __init__(self) -> None:
        super().__init__()
        self.values_at: list[Mark] = []

    def put(self, value: Value, at: Mark) -> None:
        """Appends an item and its place."""
        self.append(value)
        self.values_at.append(at)

    def sections(self) -> list[Section]:
        """The items that are mappings."""
        return [item for item in self if isinstance(item, Section)]


def plain(value: object) -> object:
    """The value as dicts and lists of its own, without places."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def copy(value: Value) -> Value:
    """A value of its own, with the places of the original."""
    if isinstance(value, Section):
        section = Section()
        for key in value:
            section.put(key, copy(value[key]), value.keys_at[key], value.values_at[key])
        return section
    if isinstance(value, Items):
        items = Items()
        for item, at in zip(value, value.values_at, strict=True):
            items.put(copy(item), at)
        return items
    return value


def mark_of(root: Section, path: PathTo, *, key: bool = False) -> Mark:
    """The place of the deepest part of the path that was written; of its last key, if that is asked for."""
    at = Mark()
    value: Value = root
    for number, part in enumerate(path):
        if isinstance(value, Section) and isinstance(part, str) and part in value:
            last = number == len(path) - 1
            at, value = (value.keys_at if key and last else value.values_at)[part], value[part]
        elif isinstance(value, Items) and isinstance(part, int) and part < len(value):
            at, value = value.values_at[part], value[part]
        else:
            break
    return at


def from_file(path: str | PathLike[str]) -> Section:
    """What a file says.

    Raises:
        ConfigError: there is no such file, or it is no mapping in YAML or JSON.
    """
    name = fspath(path)
    try:
        text = Path(name).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        folder = Path(name).parent
        near = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise ConfigError(Problem(name, "there is no such file", hint=did_you_mean(Path(name).name, near))) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        where = f"{name}:{line}"
        raise ConfigError(Problem(where, f"byte {error.object[error.start]:#04x} is no UTF-8", "UTF-8")) from error
    except OSError as error:
        raise ConfigError(Problem(name, f"cannot be read: {error.strerror}")) from error
    return from_text(text, name)


def from_text(text: str, name: str) -> Section:
    """What a text in YAML or JSON says; `name` is the file in messages.

    Raises:
        ConfigError: it is no mapping in YAML or JSON.
    """
    value = value_of(text, Mark(name, 1, 1))
    if value is None:
        raise ConfigError(Problem(name, "is empty", "a mapping with input_features and output_features"))
    if not isinstance(value, Section):
        found = f"a list of {len(value)}" if isinstance(value, Items) else f"the {kind_of(value)} {shown(value)}"
        allowed = "a mapping with input_features and output_features"
        raise ConfigError(Problem(f"{name}:1:1", f"the config is {found}", allowed))
    return value


def value_of(text: str, at: Mark, *, numbered: bool = True) -> Value:
    """What a text in YAML or JSON says; all its marks are `at` unless its lines are numbered.

    Raises:
        ConfigError: it is neither YAML nor JSON.
    """
    return _Reader(at, numbered).read(text)


def from_mapping(mapping: Mapping[str, object], at: Mark | None = None) -> Section:
    """What a mapping in Python says.

    Raises:
        ConfigError: a value is nothing that YAML could hold.
    """
    value = _value(mapping, at or Mark(), at is None, 0)
    assert isinstance(value, Section)
    return value


def from_value(value: object, at: Mark) -> Value:
    """What a value in Python says; all of it was written at `at`.

    Raises:
        ConfigError: it is nothing that YAML could hold.
    """
    return _value(value, at, False, 0)


def kind_of(value: object) -> str:
    """What a value is, in plain words."""
    kinds = ((bool, "truth value"), (int, "whole number"), (float, "number"), (str, "text"), (dict, "mapping"))
    name = next((name for kind, name in kinds if isinstance(value, kind)), "list")
    return "null" if value is None else name


def shown(value: object, most: int = 60) -> str:
    """The value as JSON shows it, cut where it is long; a text in single quotes."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _value(value: object, at: Mark, own_paths: bool, level: int) -> Value:
    """A Python value with places; `own_paths` gives each its own path."""
    if level > MOST_LEVELS:
        raise ConfigError(Problem(str(at), f"has more than {MOST_LEVELS} sections within sections"))
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _finite(float(value), at)
    if isinstance(value, Mapping):
        section = Section()
        for key, item in value.items():
            below = Mark(at.source, 0, 0, (*at.path, str(key))) if own_paths else at
            section.put(str(key), _value(item, below, own_paths, level + 1), below)
        return section
    if isinstance(value, list | tuple):
        items = Items()
        for index, item in enumerate(value):
            below = Mark(at.source, 0, 0, (*at.path, index)) if own_paths else at
            items.put(_value(item, below, own_paths, level + 1), below)
        return items
    if isinstance(value, PathLike):
        return str(fspath(value))
    where = str(at) or ".".join(map(str, at.path))
    allowed = "text, numbers, true, false, null, lists and mappings"
    raise ConfigError(Problem(where, f"a config cannot hold a {type(value).__name__}", allowed))


def _finite(value: float, at: Mark) -> float:
    if not math.isfinite(value):
        raise ConfigError(Problem(str(at) or ".".join(map(str, at.path)), f"{value} is no finite number"))
    return value


_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_TAG = "tag:yaml.org,2002:"


@dataclass
class _Reader:
    """Turns a text into sections."""

    at: Mark
    numbered: bool
    values: int = 0
    open_nodes: set[int] = field(default_factory=set)

    def read(self, text: str) -> Value:
        try:
            node = compose(text, self.at.source)
        except ConfigError:
            # YAML has limits that JSON has not: keys of up to 1,024 characters.
            if (value := _json(text)) is not None:
                return _value(value, self.at, False, 0)
            raise
        return None if node is None else self.build(node, ())

    def mark(self, node: yaml.Node, path: PathTo) -> Mark:
        start = node.start_mark
        return Mark(self.at.source, start.line + 1, start.column + 1, path) if self.numbered else self.at

    def fail(self, node: yaml.Node, message: str, allowed: str = "", hint: str = "") -> ConfigError:
        return ConfigError(Problem(str(self.mark(node, ())), message, allowed, hint))

    def build(self, node: yaml.Node, path: PathTo) -> Value:
        from yaml import MappingNode, SequenceNode

        self.values += 1
        if self.values > MOST_VALUES:
            raise self.fail(node, f"the document has more than {MOST_VALUES:,} values, most of them from aliases")
        if id(node) in self.open_nodes:
            raise self.fail(node, "an alias (*) is used within what it stands for")
        if len(path) > MOST_LEVELS:
            raise self.fail(node, f"there are more than {MOST_LEVELS} sections within sections")
        if not isinstance(node, MappingNode | SequenceNode):
            return self.scalar(node)
        self.open_nodes.add(id(node))
        built: Value
        if isinstance(node, MappingNode):
            built = self.mapping(node, path)
        else:
            built = Items()
            for index, item in enumerate(node.value):
                built.put(self.build(item, (*path, index)), self.mark(item, (*path, index)))
        self.open_nodes.discard(id(node))
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            raise self.fail(node, f"the tag {node.tag.replace(_TAG, '!!')} means nothing in a config")
        return built

    def mapping(self, node: yaml.MappingNode, path: PathTo) -> Section:
        from yaml import ScalarNode

        section, merged, first = Section(), [], {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                hint = "put text with { } or [ ] in quotes"
                raise self.fail(key_node, "a key is a list or mapping", "a text", hint)
            key = str(key_node.value)
            if key_node.tag == f"{_TAG}merge":
                merged.append(value_node)
                continue
            if key in first:
                line = first[key].start_mark.line + 1
                raise self.fail(key_node, f"the key '{key}' is there twice, first in line {line}", "each key once")
            first[key] = key_node
            below = (*path, key)
            section.put(key, self.build(value_node, below), self.mark(key_node, below), self.mark(value_node, below))
        for value_node in merged:
            self.merge(section, value_node, path)
        return section

    def merge(self, section: Section, node: yaml.Node, path: PathTo) -> None:
        """Merge keys (`<<`): what the section says itself wins, then earlier ones."""
        from yaml import SequenceNode

        for source in node.value if isinstance(node, SequenceNode) else [node]:
            value = self.build(source, path)
            if not isinstance(value, Section):
                raise self.fail(source, f"'<<' merges mappings; this is a {kind_of(value)}")
            for key in value:
                if key not in section:
                    section.add(key, value.entry(key))

    def scalar(self, node: yaml.Node) -> Value:
        text, tag = str(node.value), node.tag
        try:
            if tag == f"{_TAG}null":
                return None
            if tag == f"{_TAG}bool" and _BOOL.fullmatch(text):
                return text.lower() == "true"
            if tag == f"{_TAG}int":
                base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                return int(text, base)
            if tag == f"{_TAG}float":
                return self.finite(node, float(re.sub(r"\.(?=(inf|nan))", "", text.lower())))
        except ValueError:
            tag = f"{tag} {text}"
        if tag == f"{_TAG}str":
            return text
        raise self.fail(node, f"'{text}' is no value for the tag {node.tag.replace(_TAG, '!!')}")

    def finite(self, node: yaml.Node, value: float) -> float:
        if not math.isfinite(value):
            raise self.fail(node, f"{node.value} is no finite number")
        return value


def compose(text: str, name: str) -> yaml.Node | None:
    """The nodes of a YAML text, None where it is empty.

    Raises:
        ConfigError: it is no YAML.
    """
    import yaml

    from ostinato.yaml_loader import FastLoader, PlainLoader

    text = _as_yaml(text)
    if _deepest(text) > 10 * MOST_LEVELS:
        raise ConfigError(Problem(name, f"there are more than {MOST_LEVELS} sections within sections"))
    try:
        return FastLoader(text).get_single_node()
    except yaml.YAMLError as fast:
        try:
            # The slower parser says more about what it found.
            return PlainLoader(text).get_single_node()
        except yaml.YAMLError as error:
            raise ConfigError(_syntax_problem(error, text, name)) from fast


def _deepest(text: str) -> int:
    """An upper bound of the levels of a text, cheap enough to guard the parser in C, which crashes at too many."""
    depth = most = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        most = max(most, depth)
    # A level of block style takes at least one column, or none for a list in a mapping.
    return most + max((len(found) // 2 for found in re.findall(r"^[ ?-]+", text, re.MULTILINE)), default=0)


def _as_yaml(text: str) -> str:
    """JSON may hold tabs between its parts and surrogate pairs in its texts, YAML may not."""
    if not ("\t" in text or "\\ud" in text.lower()) or _json(text) is None:
        return text
    pair = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
    return pair.sub(lambda found: _joined(found[1], found[2]), text.replace("\t", " "))


def _json(text: str) -> dict[str, object] | None:
    """The mapping that a text in JSON is; None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _joined(high: str, low: str) -> str:
    return f"\\U{0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00:08x}"


def _syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """What is wrong with the YAML, in plain words."""
    from yaml import MarkedYAMLError
    from yaml.reader import ReaderError

    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(f"{name}:{line}", f"the character {error.character:#04x} may not be in YAML")
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return Problem(name, f"is no YAML: {error}")
    mark = error.problem_mark
    lines = text.splitlines()
    here = lines[mark.line] if mark.line < len(lines) else ""
    where = f"{name}:{mark.line + 1}:{mark.column + 1}"
    if "\t" in here[: mark.column + 1] and not here[: mark.column].strip():
        return Problem(where, "a tab indents this line", "spaces", "replace each tab by spaces")
    opened = error.context_mark
    if opened and error.context and "flow" in error.context:
        kind, bracket = ("list", "]") if "sequence" in error.context else ("mapping", "}")
        start = f"line {opened.line + 1}, column {opened.column + 1}"
        return Problem(where, f"the {kind} that opens in {start} is not closed here", f"',' or '{bracket}'")
    if "expected a single document" in (error.context or ""):
        return Problem(where, "a second document begins here ('---')", "one document in a file")
    context = f"{error.context}: " if error.context else ""
    return Problem(where, f"is no YAML: {context}{error.problem}", hint=_quote_hint(here))


def _quote_hint(line: str) -> str:
    return "put text with ':', '#', '%', '@' or quotes in quotes" if re.search(r"[:#%@'\"&*!|>`]", line) else ""
