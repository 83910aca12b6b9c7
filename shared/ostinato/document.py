"""A config as it is written, each key and value with the place it came from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike, fspath
from typing import TypeAlias, Union

from ostinato.errors import ConfigError, Problem

Key: TypeAlias = str | int
PathTo: TypeAlias = tuple[Key, ...]
Value: TypeAlias = Union[str, int, float, bool, "Section", "Items", None]

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
