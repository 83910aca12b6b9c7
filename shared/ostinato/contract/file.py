"""The file of a contract, made to be reviewed: YAML, columns in the order of the data, a value a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from ostinato import storage
from ostinato.contract.spec import ColumnContract, Contract
from ostinato.errors import ConfigError, DataError, Problem
from ostinato.explain import Step, faults_of, with_words_as_booleans
from ostinato.yaml_document import from_text

STATISTICS = "statistics.json"
"""The file of that name in the output directory of a run."""
_HEAD = """\
# What the data of the last accepted run were like. New data are compared with it before they are preprocessed.
# `ostinato schema accept` writes this file anew; of what is written by hand it keeps the `checks` of a column, such as
#   checks: {psi: {warning: 0.2, error: 0.5}, new_columns: ignore}
# Bins: shares up to the first edge, between the edges, above the last. Shares are of the values that are not missing.
"""


def to_yaml(contract: Contract) -> str:
    """The text of the file; the same contract gives the same text."""
    body = yaml.dump(_value(contract), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + body


def to_json(contract: Contract) -> str:
    """The contract in few bytes, as `from_yaml` reads it."""
    return json.dumps(_value(contract), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def from_yaml(text: str, name: str) -> Contract:
    """The contract of a file's text.

    Raises:
        ConfigError: everything that is wrong with it, with lines.
    """
    document = from_text(text, name, kind="contract", allowed="a mapping with rows and columns")
    root = Step((), document, Contract)
    try:
        return with_words_as_booleans(Contract.model_validate, root)
    except ValidationError as error:
        raise ConfigError(fault.problem() for fault in faults_of(error, root, document)) from error


def read_contract(uri: str) -> Contract:
    """The contract in a file.

    Raises:
        ConfigError: there is none, or it is wrong.
        DataError: a store can't be reached or refuses.
    """
    if not storage.exists(uri):
        hint = f"`ostinato schema accept RUN_FOLDER -o {uri}` writes the contract of the data of a run"
        raise ConfigError(Problem(uri, "there is no contract", hint=hint))
    return from_yaml(storage.read_bytes(uri).decode("utf-8-sig", "replace"), uri)


def read_statistics(uri: str) -> Mapping[str, Any]:
    """What infer_schema found of data: the file that it wrote, or the folder of a run.

    Raises:
        DataError: there is no such file, or it is another one.
    """
    path = uri
    if not uri.endswith(".json") and storage.exists(f"{uri.rstrip('/')}/{STATISTICS}"):
        path = f"{uri.rstrip('/')}/{STATISTICS}"
    try:
        statistics = json.loads(storage.read_bytes(path))
        _ = statistics["source"], statistics["rows"], [one["arrow_type"] for one in statistics["columns"].values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = "statistics that the step infer_schema of this version wrote, or the folder of a run that has them"
        raise DataError(Problem(path, "is no statistics of data", allowed)) from error
    assert isinstance(statistics, dict)
    return statistics


def with_checks_of(contract: Contract, old: Contract) -> Contract:
    """The contract with what people wrote into the old one."""
    checks = {column.name: column.checks for column in old.columns if column.checks is not None}
    columns = tuple(column.model_copy(update={"checks": checks.get(column.name)}) for column in contract.columns)
    return contract.model_copy(update={"columns": columns})


def differences(old: Contract, new: Contract) -> Iterator[str]:
    """What is otherwise in the new one, a line each: `+` new, `-` gone, `~` changed."""
    before, after = ({column.name: _flat(_plain(column)) for column in each.columns} for each in (old, new))
    if old.rows != new.rows:
        yield f"~ rows: {old.rows:,} -> {new.rows:,}"
    for name, column in after.items():
        if name not in before:
            yield f"+ {name}: {column['type']}"
            continue
        for key in dict.fromkeys((*before[name], *column)):
            was, now = before[name].get(key), column.get(key)
            if was is None:
                yield f"+ {name}: {key}: {now}"
            elif now is None:
                yield f"- {name}: {key}: {was}"
            elif was != now:
                yield f"~ {name}: {key}: {was} -> {now}"
    yield from (f"- {name}: {column['type']}" for name, column in before.items() if name not in after)


def _value(contract: Contract) -> dict[str, Any]:
    head = contract.model_dump(include={"format_version", "source", "rows"})
    return {**head, "columns": [_plain(column) for column in contract.columns]}


def _plain(column: ColumnContract) -> dict[str, Any]:
    value = column.model_dump(exclude_defaults=True, exclude={"checks"})
    own = {} if column.checks is None else {"checks": column.checks.model_dump(exclude_unset=True)}
    plain = _tidy(value | own)
    assert isinstance(plain, dict)
    return plain


def _tidy(value: Any) -> Any:
    """Lists for tuples, and whole numbers without a point."""
    if isinstance(value, Mapping):
        return {key: _tidy(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_tidy(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _flat(value: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in value.items():
        found |= _flat(one, f"{above}{key}.") if isinstance(one, Mapping) else {f"{above}{key}": one}
    return found


class _Dumper(yaml.SafeDumper):
    """Lists in one line, mappings a key a line."""


def _in_one_line(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    is_flat = not any(isinstance(value, Mapping) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=is_flat)


_Dumper.add_representer(list, _in_one_line)
