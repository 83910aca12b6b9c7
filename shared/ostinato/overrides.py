"""Values put into a config from outside: `trainer.epochs`, `age.encoder.type`, `output_features.income.threshold`."""

from __future__ import annotations

from collections.abc import Mapping

from ostinato.config import Config
from ostinato.document import Items, Key, Mark, Section, Value, from_value, kind_of
from ostinato.errors import ConfigError, Problem, did_you_mean, listing
from ostinato.yaml_document import value_of

SIDES = ("input_features", "output_features")


def apply(document: Section, overrides: Mapping[str, object]) -> None:
    """Puts each value at its path, in place. A text is read as YAML. Sections merge, unless they name another type.

    Raises:
        ConfigError: a path leads nowhere; all that do.
    """
    problems: list[Problem] = []
    for path, value in overrides.items():
        at = Mark(f"override '{path}'")
        try:
            _put(document, _parts(document, path, at), _read(value, at), at)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _read(value: object, at: Mark) -> Value:
    if not isinstance(value, str):
        return from_value(value, at)
    try:
        return value_of(value, at, numbered=False)
    except ConfigError:
        # Text with a colon or a quote in it is text.
        return value


def _names(document: Section, side: str) -> dict[str, int]:
    features = document.get(side)
    found = enumerate(features) if isinstance(features, Items) else []
    return {str(item["name"]): index for index, item in found if isinstance(item, Section) and "name" in item}


def _parts(document: Section, path: str, at: Mark) -> list[Key]:
    """The keys and indexes that a dotted path stands for; names of features may hold dots."""
    head, _, rest = path.partition(".")
    if head in SIDES and rest:
        names = _names(document, head)
        name = _feature(rest, list(names))
        if name is not None:
            return [head, names[name], *_split(rest[len(name) :])]
        number, _, below = rest.partition(".")
        features = document.get(head)
        if number.isdecimal() and isinstance(features, Items) and int(number) < len(features):
            return [head, int(number), *_split(below)]
        hint = did_you_mean(number, names)
        raise ConfigError(Problem(str(at), f"there is no feature '{number}' in {head}", listing(names), hint))
    everywhere = {name: (side, index) for side in reversed(SIDES) for name, index in _names(document, side).items()}
    name = _feature(path, list(everywhere))
    if name is not None and (head not in Config.model_fields or len(name) > len(head)):
        return [*everywhere[name], *_split(path[len(name) :])]
    if head in Config.model_fields or head in Config.later:
        return _split(path)
    if head == "training":
        return ["trainer", *_split(rest)]
    names_all = [*Config.model_fields, *everywhere]
    raise ConfigError(
        Problem(str(at), f"there is no section or feature '{head}'", listing(names_all), did_you_mean(head, names_all))
    )


def _split(path: str) -> list[Key]:
    return list(path.strip(".").split(".")) if path.strip(".") else []


def _feature(path: str, names: list[str]) -> str | None:
    """The longest name that the path begins with."""
    return max((name for name in names if path == name or path.startswith(f"{name}.")), key=len, default=None)


def _put(document: Section, parts: list[Key], value: Value, at: Mark) -> None:
    place: Value = document
    *above, last = parts
    for index, part in enumerate(above):
        if isinstance(place, Items):
            place = place[_index(part, place, at)]
            continue
        assert isinstance(place, Section)
        below = place.get(str(part))
        if isinstance(below, str) and index == len(above) - 1:
            # `encoder: dense` and an override of encoder.dropout
            short = Section()
            short.put("type", below, place.keys_at[str(part)], place.values_at[str(part)])
            below = short
            place.put(str(part), below, at)
        elif below is None:
            below = Section()
            place.put(str(part), below, at)
        if not isinstance(below, Section | Items):
            message = f"'{part}' is the {kind_of(below)} {below}, which has no '{parts[index + 1]}'"
            raise ConfigError(Problem(str(at), message))
        place = below
    if isinstance(place, Items):
        index = _index(last, place, at)
        old = place[index]
        place[index], place.values_at[index] = _merged(old, value, at), at
        return
    assert isinstance(place, Section)
    place.put(str(last), _merged(place.get(str(last)), value, at), at)


def _index(part: Key, items: Items, at: Mark) -> int:
    text = str(part)
    if not text.isdecimal() or int(text) >= len(items):
        raise ConfigError(Problem(str(at), f"there is no item '{text}'", f"0 to {len(items) - 1}"))
    return int(text)


def _merged(old: Value, new: Value, at: Mark) -> Value:
    if not isinstance(old, Section) or not isinstance(new, Section):
        return new
    if "type" in new and new["type"] != old.get("type"):
        return new
    for key in new:
        old.put(key, _merged(old.get(key), new[key], at), at)
    return old
