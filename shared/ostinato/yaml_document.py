"""YAML and JSON texts -> documents.

YAML is read by the rules of YAML 1.2, as JSON is: `1e-3` is a number; `yes`, `no`, `on`, `off` and dates are text
(a field that wants true or false takes those words, see `explain`). A key is always text, as it is written.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from ostinato.document import MOST_LEVELS, Items, Mark, PathTo, Section, Value, from_value, kind_of, shown
from ostinato.errors import ConfigError, Problem, did_you_mean
from ostinato.yaml_loader import FastLoader, PlainLoader

MOST_VALUES = 200_000
"""Values that aliases may make of a document: a bomb is refused before it fills the memory."""


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


def from_text(
    text: str,
    name: str,
    *,
    kind: str = "config",
    allowed: str = "a mapping with input_features and output_features",
) -> Section:
    """What a text in YAML or JSON says; `name` is the file in messages, `kind` and `allowed` what it should be.

    Raises:
        ConfigError: it is no mapping in YAML or JSON.
    """
    value = value_of(text, Mark(name, 1, 1))
    if value is None:
        raise ConfigError(Problem(name, "is empty", allowed))
    if not isinstance(value, Section):
        found = f"a list of {len(value)}" if isinstance(value, Items) else f"the {kind_of(value)} {shown(value)}"
        raise ConfigError(Problem(f"{name}:1:1", f"the {kind} is {found}", allowed))
    return value


def value_of(text: str, at: Mark, *, numbered: bool = True) -> Value:
    """What a text in YAML or JSON says; all its marks are `at` unless its lines are numbered.

    Raises:
        ConfigError: it is neither YAML nor JSON.
    """
    return _Reader(at, numbered).read(text)


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
                return from_value(value, self.at)
            raise
        return None if node is None else self.build(node, ())

    def mark(self, node: yaml.Node, path: PathTo) -> Mark:
        start = node.start_mark
        return Mark(self.at.source, start.line + 1, start.column + 1, path) if self.numbered else self.at

    def fail(self, node: yaml.Node, message: str, allowed: str = "", hint: str = "") -> ConfigError:
        return ConfigError(Problem(str(self.mark(node, ())), message, allowed, hint))

    def build(self, node: yaml.Node, path: PathTo) -> Value:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.fail(node, f"the document has more than {MOST_VALUES:,} values, most of them from aliases")
        if id(node) in self.open_nodes:
            raise self.fail(node, "an alias (*) is used within what it stands for")
        if len(path) > MOST_LEVELS:
            raise self.fail(node, f"there are more than {MOST_LEVELS} sections within sections")
        if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
            return self.scalar(node)
        self.open_nodes.add(id(node))
        built: Value
        if isinstance(node, yaml.MappingNode):
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
        section, merged = Section(), []
        first: dict[str, yaml.ScalarNode] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
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
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
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
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(f"{name}:{line}", f"the character {error.character:#04x} may not be in YAML")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
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
