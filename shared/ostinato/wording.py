"""What a field of a spec allows, in plain words, from its type alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen

from ostinato.errors import listing
from ostinato.registry import OneOf
from ostinato.spec import Pending, Spec

NUMBERS = {int: "a whole number", float: "a number"}
PLAIN = {bool: "true or false", NoneType: "null", Any: "anything", dict: "a mapping"}


def allowed_by(annotation: object, metadata: Iterable[object] = ()) -> str:
    """`a whole number of at least 1, or 'auto'`."""
    options = [words for option, notes in alternatives(annotation, metadata) for words in _words(option, notes)]
    nulls = [words for words in options if words == "null"]
    ordered = list(dict.fromkeys([words for words in options if words != "null"] + nulls))
    if len(ordered) == 1:
        return ordered[0]
    simple = all(" " not in words for words in ordered)
    return f"{', '.join(ordered[:-1])}{'' if simple or len(ordered) == 2 else ','} or {ordered[-1]}"


def alternatives(annotation: object, metadata: Iterable[object] = ()) -> list[tuple[object, tuple[object, ...]]]:
    """The members of a union, each with its metadata; the annotation itself where it is none."""
    metadata = tuple(metadata)
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return alternatives(inner, (*notes, *metadata))
    chosen = any(isinstance(note, OneOf | Pending) for note in metadata)
    if get_origin(annotation) in (Union, UnionType) and not chosen:
        return [each for member in get_args(annotation) for each in alternatives(member, metadata)]
    return [(annotation, metadata)]


def yaml(value: object) -> str:
    """A value as one writes it in YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def _words(option: object, notes: tuple[object, ...]) -> list[str]:
    for note in notes:
        if isinstance(note, Pending):
            return [f"{yaml(note.only)} in this version"]
        if isinstance(note, OneOf):
            return [f"a mapping with the key type: {listing(note.registry.names(note.group))}"]
    if get_origin(option) is Literal:
        return [yaml(value) for value in get_args(option)]
    return [_type_words(option, notes)]


def _type_words(option: object, notes: tuple[object, ...]) -> str:
    if option is str:
        return "a text that is not empty" if any(isinstance(note, MinLen) for note in notes) else "a text"
    if get_origin(option) is tuple:
        return _list(get_args(option))
    if isinstance(option, type) and issubclass(option, Spec):
        return f"a mapping with keys among {listing(option.model_fields)}"
    if isinstance(option, type) and option in NUMBERS:
        return f"{NUMBERS[option]}{_bounds(notes)}"
    return PLAIN.get(get_origin(option) or option, "anything")


def _bounds(notes: tuple[object, ...]) -> str:
    low = next((note.ge for note in notes if isinstance(note, Ge)), None)
    high = next((note.le for note in notes if isinstance(note, Le)), None)
    above = next((note.gt for note in notes if isinstance(note, Gt)), None)
    below = next((note.lt for note in notes if isinstance(note, Lt)), None)
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    words = [
        f" {word} {value:g}"
        for word, value in (("of at least", low), ("above", above), ("of at most", high), ("below", below))
        if value is not None
    ]
    return " and".join(words)


def _list(members: tuple[object, ...]) -> str:
    if len(members) == 2 and members[1] is Ellipsis:
        return f"a list, each item {allowed_by(members[0])}"
    inner = [allowed_by(member) for member in members]
    if len(set(inner)) == 1:
        return f"a list of {len(inner)}, each item {inner[0]}"
    return f"a list of {len(inner)}: {'; '.join(inner)}"
