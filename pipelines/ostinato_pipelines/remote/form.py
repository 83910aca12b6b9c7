"""The run form of a package: which inputs it has, and the values that a run gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from ostinato.errors import ConfigError, Problem, did_you_mean, listing


def read_package(text: str, where: str) -> Mapping[str, Any]:
    """The pipeline spec of a compiled package.

    Raises:
        ConfigError: it is none.
    """
    try:
        package = next(iter(yaml.safe_load_all(text)), None)
    except yaml.YAMLError as error:
        raise ConfigError(Problem(where, f"is no YAML: {error}")) from error
    if not isinstance(package, dict) or "pipelineInfo" not in package or "root" not in package:
        raise ConfigError(Problem(where, "is no compiled pipeline", hint="make one: ostinato compile"))
    return package


def parameters(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inputs of the run form, by name, as the package describes them."""
    found: Mapping[str, Any] = package["root"].get("inputDefinitions", {}).get("parameters", {})
    return found


def read_inputs(pairs: list[str]) -> dict[str, str]:
    """`NAME=VALUE` each.

    Raises:
        ConfigError: a pair is none.
    """
    split = [pair.partition("=") for pair in pairs]
    problems = [
        Problem(f"--param {pair}", "is no pair", "NAME=VALUE, e.g. train_cpu=8")
        for pair, (name, equals, _) in zip(pairs, split, strict=True)
        if not name or not equals
    ]
    if problems:
        raise ConfigError(problems)
    return {name: value for name, _, value in split}


def filled_in(package: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """The run form: what is given, as text, else the default.

    Raises:
        ConfigError: there is no such input.
    """
    form = {name: entry.get("defaultValue", "") for name, entry in parameters(package).items()}
    if problems := _unknown(form, inputs):
        raise ConfigError(problems)
    return {**form, **inputs}


def arguments(package: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """The values of a run by input, of the types that the package asks for.

    Args:
        package: what `read_package` gave.
        inputs: texts, by input; numbers, lists and objects as JSON.

    Raises:
        ConfigError: there is no such input, a value is of another type, or an input without default is missing.
    """
    known = parameters(package)
    problems = _unknown(known, inputs)
    values: dict[str, Any] = {}
    for name, text in inputs.items():
        if name in known:
            try:
                values[name] = _value(text, known[name]["parameterType"])
            except ValueError as error:
                problems.append(Problem(f"--param {name}", f"found the text '{text}'", str(error)))
    problems += [
        Problem("--param", f"the input '{name}' has no default and was not given")
        for name, entry in known.items()
        if name not in inputs and "defaultValue" not in entry and not entry.get("isOptional")
    ]
    if problems:
        raise ConfigError(problems)
    return values


def _unknown(known: Mapping[str, Any], inputs: Mapping[str, str]) -> list[Problem]:
    return [
        Problem("--param", f"the run form has no '{name}'", listing(sorted(known)), did_you_mean(name, known))
        for name in inputs
        if name not in known
    ]


def _value(text: str, kind: str) -> Any:
    words: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "NUMBER_INTEGER": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
        "NUMBER_DOUBLE": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
        "BOOLEAN": ("true or false", lambda value: isinstance(value, bool)),
        "LIST": ("a list as JSON", lambda value: isinstance(value, list)),
        "STRUCT": ("an object as JSON", lambda value: isinstance(value, dict)),
    }
    if kind not in words:
        return text
    expected, is_right = words[kind]
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(expected) from None
    if not is_right(value):
        raise ValueError(expected)
    return value
