"""A config file, text or mapping -> `Config`, or every problem in it at once.

source ─read→ document ─upgrade→ ─overrides→ document in today's form ─expand→ full document ─validate→ Config
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TypeVar

from pydantic import ValidationError

from ostinato.check_defaults import check_defaults, without_effect
from ostinato.checks import check, check_tied_encoders
from ostinato.config import Config
from ostinato.document import Section, Value, from_mapping, plain
from ostinato.errors import ConfigError, DataError, Problem, did_you_mean, listing
from ostinato.expand.merge import expand
from ostinato.expand.upgrade import upgrade
from ostinato.explain import LATER, Fault, Step, fault_at, faults_of, with_words_as_booleans
from ostinato.packing import unpacked
from ostinato.spec import Spec

LoadedPart = TypeVar("LoadedPart", bound=Spec)

DATA_KEYS = ("name", "type", "column", "tied", "preprocessing")
"""What preprocessing reads of a feature."""
GUARDS = ("data_contract", "gate")
"""Sections that decide whether a run goes on: nothing that is learned depends on them."""
AFTERWARDS = ("registry", "notify")
"""Sections of what is done when a run is through; applied when a pipeline is compiled."""


@dataclass(frozen=True)
class LoadedConfig:
    """A config that is right."""

    config: Config
    document: dict[str, object]
    """What the user said, in today's form; without defaults."""
    warnings: tuple[str, ...]
    """Older forms that were upgraded, and what has no effect."""


def load_config(
    source: str | PathLike[str] | Mapping[str, object],
    *,
    text: str | None = None,
    overrides: Mapping[str, object] | None = None,
) -> LoadedConfig:
    """The config that a file, a text or a mapping describes.

    Args:
        source: path of a YAML or JSON file, the text itself (if it has more than one line or begins with `{`), or a
            mapping; with `text`, only the name that errors show.
        text: YAML or JSON.
        overrides: values by dotted path, e.g. `{"trainer.epochs": 5, "age.encoder.type": "ple"}`; a text is read as
            YAML.

    Raises:
        ConfigError: every problem of the config, each with its place.
    """
    from ostinato import overrides as changes

    document = _read(source, text)
    warnings = upgrade(document)
    if overrides:
        changes.apply(document, overrides)
        warnings += upgrade(document)
    config = _validated(document)
    plain_document = plain(document)
    assert isinstance(plain_document, dict)
    return LoadedConfig(config, plain_document, tuple(dict.fromkeys([*warnings, *without_effect(document)])))


def from_json(text: str) -> Config:
    """The config of a canonical document, packed or not.

    Raises:
        ConfigError: every problem of the config.
    """
    text = unpacked(text)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(Problem(f"config:{error.lineno}:{error.colno}", f"is no JSON: {error.msg}")) from error
    if not isinstance(value, dict):
        raise ConfigError(Problem("config", f"is a {type(value).__name__}", "a mapping"))
    document = from_mapping(value)
    upgrade(document)
    return _validated(document)


def load_part(path: str | PathLike[str], part: type[LoadedPart]) -> LoadedPart:
    """A part of a config that has a file of its own.

    Raises:
        ConfigError: every problem of the file.
    """
    from ostinato.yaml_document import from_file

    document = from_file(path)
    root = Step((), document, part)
    try:
        return with_words_as_booleans(part.model_validate, root)
    except ValidationError as error:
        raise ConfigError(_in_order(faults_of(error, root, document))) from error


def canonical_json(document: Mapping[str, object]) -> str:
    """The same text for the same document: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def render(config: Config) -> dict[str, object]:
    """The config with everything filled in; loading it gives the same config."""
    rendered = json.loads(json.dumps(config.model_dump()))
    assert isinstance(rendered, dict)
    return rendered


def data_slice(document: Mapping[str, object]) -> dict[str, object]:
    """The part of a document that preprocessing reads, with the defaults and presets that bear on it.

    It is a document of its own: equal slices give equal data folders.
    """
    full = expand(from_mapping(document))
    features = {
        key: [
            {part: plain(feature[part]) for part in DATA_KEYS if part in feature}
            for feature in _sections(full.get(key))
        ]
        for key in ("input_features", "output_features")
    }
    preprocessing = {"preprocessing": plain(full["preprocessing"])} if "preprocessing" in full else {}
    return {**features, **preprocessing}


def check_columns(config: Config, columns: Sequence[str], types: Mapping[str, object] | None = None) -> None:
    """Nothing, if the data has every column that the config names.

    Args:
        config: names the columns of features, and that of the split.
        columns: the columns that the data has.
        types: not used; what a column holds is judged by its feature.

    Raises:
        DataError: every column that is missing.
    """
    there = set(columns)
    wanted = [
        (f"{side} feature '{feature.name}'", feature.source)
        for side, features in (("input", config.input_features), ("output", config.output_features))
        for feature in features
    ]
    if column := config.preprocessing.split.model_dump().get("column"):
        wanted.append(("preprocessing.split", column))
    found = f"the data has {listing(columns)}" if columns else "the data has no columns"
    missing = [(who, column) for who, column in wanted if column not in there]
    problems = [
        # To look for near names takes its time, and where most are missing it is another file.
        Problem(
            who, f"there is no column '{column}' in the data", found, did_you_mean(column, columns if n < 20 else ())
        )
        for n, (who, column) in enumerate(missing)
    ]
    if problems:
        raise DataError(problems)


def _read(source: str | PathLike[str] | Mapping[str, object], text: str | None) -> Section:
    if text is None and isinstance(source, Mapping):
        return from_mapping(source)
    from ostinato.yaml_document import from_file, from_text  # a canonical document needs no YAML

    if text is not None:
        return from_text(unpacked(text), str(source))
    assert not isinstance(source, Mapping)
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return from_text(source, "config")
    return from_file(source)


def _sections(value: Value) -> list[Section]:
    return [item for item in value if isinstance(item, Section)] if isinstance(value, list) else []


def _validated(document: Section) -> Config:
    """The config of an upgraded document."""
    full = expand(document)
    if full.get("model_type", "ecd") == "llm":
        # Everything else in such a config follows from this one choice.
        fault = fault_at(full, ("model_type",), f"'llm' {LATER}", "ecd in this version")
        raise ConfigError(fault.problem())
    faults = [*check_defaults(full), *check(full)]
    root = Step((), full, Config)
    try:
        config = with_words_as_booleans(Config.model_validate, root)
    except ValidationError as error:
        faults += faults_of(error, root, full)
    else:
        faults += check_tied_encoders(config, full) if not faults else ()
        if not faults:
            return config
    raise ConfigError(_in_order(faults))


def _in_order(faults: Sequence[Fault]) -> list[Problem]:
    """Each problem once, in the order of the lines."""
    unique = {(fault.at, fault.place, fault.message): fault for fault in faults}
    return [fault.problem() for fault in sorted(unique.values(), key=lambda fault: (fault.at.line, fault.at.column))]
