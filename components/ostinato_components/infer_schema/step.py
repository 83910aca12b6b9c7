"""Any data set -> schema, statistics and a profile, in one pass over the data."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from ostinato import __version__, storage
from ostinato.batches import open_source
from ostinato.config import Config
from ostinato.errors import DataError, Problem
from ostinato.load import check_columns, from_json
from ostinato.schema import ColumnSchema, Schema
from ostinato.sources.source import check_present
from ostinato.statistics.column import ColumnStats
from ostinato.statistics.table import TableStats, collect
from ostinato.type_inference import Inferred, infer_all, is_split
from ostinato_components.infer_schema.findings import findings
from ostinato_components.infer_schema.pairs import Pairs
from ostinato_components.infer_schema.profile import Found, profile
from ostinato_components.infer_schema.summary import summary

log = logging.getLogger("ostinato.infer_schema")


def run(
    dataset: str,
    config: str,
    schema_path: str,
    statistics_path: str,
    profile_path: str,
    *,
    data_format: str = "auto",
    targets: Sequence[str] = (),
) -> Schema:
    """Reads the data once, infers what each column is, and writes schema and statistics (JSON) and a profile (HTML).

    Args:
        dataset: URI of the data.
        config: canonical JSON, or the part of it that preprocessing reads; empty for none.
        schema_path: where the schema goes.
        statistics_path: where the statistics go.
        profile_path: where the profile goes.
        data_format: format of the files; `auto` tells it by the name.
        targets: columns to predict, where there is no config.

    Raises:
        DataError: the data can't be read, has no rows, or lacks columns that the config names.
    """
    source = open_source(dataset, data_format)
    loaded = from_json(config) if config.strip() else None
    names = source.column_names()
    if loaded is not None:
        check_columns(loaded, names, None)
    check_present(source.uri, targets, names)
    stats = collect(source)
    if not stats.rows:
        raise DataError(Problem(source.uri, "has no rows: a header and nothing behind it"))
    roles = _roles(loaded, targets)
    outputs = [name for name, (role, _) in roles.items() if role == "output"]
    inferred = infer_all(stats, outputs)
    columns = tuple(_column(name, stats.columns[name], inferred[name], roles) for name in names)
    schema = Schema(
        ostinato_version=__version__,
        source=source.uri,
        source_digest=source.digest(),
        rows=stats.rows,
        columns=columns,
    )
    found = _found(schema, stats, inferred)
    storage.write_bytes_atomic(schema_path, _json(schema.model_dump(mode="json")))
    described = {
        column.name: column.model_dump(include={"type", "role", "arrow_type"}) | dict(found.summaries[column.name])
        for column in schema.columns
    }
    statistics = {"source": schema.source, "rows": stats.rows, "columns": described}
    storage.write_bytes_atomic(statistics_path, _json(statistics))
    storage.write_bytes_atomic(profile_path, profile(found).encode())
    for finding in found.findings:
        if finding.level != "note":
            log.warning("%s", f"{finding.column}: {finding.text}" if finding.column else finding.text)
    return schema


def _roles(config: Config | None, targets: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By column, its role and its feature type."""
    roles = dict.fromkeys(targets, ("output", ""))
    if config is not None:
        column = config.preprocessing.split.model_dump().get("column")
        if column and config.preprocessing.split.type == "fixed":
            roles[column] = ("split", "")
        roles |= {feature.source: ("input", feature.type) for feature in config.input_features}
        roles |= {feature.source: ("output", feature.type) for feature in config.output_features}
    return roles


def _column(name: str, stats: ColumnStats, inferred: Inferred, roles: Mapping[str, tuple[str, str]]) -> ColumnSchema:
    role, configured = roles.get(name, ("unused" if any(kind for _, kind in roles.values()) else "input", ""))
    if name not in roles and is_split(name, stats):
        role = "split"
    return ColumnSchema.model_validate(
        {
            "name": name,
            "arrow_type": _arrow_type(stats),
            "type": configured or inferred.type,
            "inferred_type": inferred.type,
            "reason": inferred.reason,
            "role": role,
            "nullable": stats.missing > 0,
            "distinct": stats.distinct.count(),
            "distinct_is_exact": stats.distinct.is_exact,
            "left_out": inferred.left_out,
            "flags": inferred.flags,
        }
    )


def _arrow_type(stats: ColumnStats) -> str:
    """One name; for texts that are all numbers that of the numbers."""
    if not stats.types:
        return "null"
    if stats.types == {"double"} and stats.whole and max(abs(stats.minimum), abs(stats.maximum)) < 2**53:
        return "double" if not stats.numbers.count else "int64"
    return sorted(stats.types)[-1] if len(stats.types) > 1 else next(iter(stats.types))


def _found(schema: Schema, stats: TableStats, inferred: Mapping[str, Inferred]) -> Found:
    pairs = Pairs(stats.sample, inferred)
    explained = {
        column.name: pairs.explained(column.name, column.type == "number")
        for column in schema.columns
        if column.role == "output"
    }
    splits = {column.name for column in schema.columns if column.role == "split"}
    explained = {name: {k: v for k, v in shares.items() if k not in splits} for name, shares in explained.items()}
    examples = {
        name: list(dict.fromkeys(value for value in stats.sample[name].slice(0, 50).to_pylist() if value))
        for name in stats.columns
    }
    return Found(
        schema=schema,
        summaries={column.name: summary(stats.columns[column.name], column.type) for column in schema.columns},
        findings=findings(schema.columns, stats.columns, inferred, explained, pairs.relations()),
        explained=explained,
        examples=examples,
        pairs=pairs,
    )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
