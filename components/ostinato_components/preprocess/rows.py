"""The rows of a source as canonical columns: read in batches, sampled, split, parsed, the useless left out. N rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from ostinato.batches import Source
from ostinato.column import Column, Unparsable, column_of
from ostinato.config import Config
from ostinato.errors import DataError, Problem, listing
from ostinato.features.spec import FeatureSpec, InputSpec, OutputSpec, ReadPreprocessingSpec
from ostinato.split.data import NOWHERE, DatetimeSplit, Split
from ostinato_components.preprocess.plan import Part, Plan

Result = TypeVar("Result")

_MOST_ROWS = 65_536
_FEW_ROWS = 16_384
_MANY_BYTES = 1 << 26
_SLOW_ROWS = 8_192


@dataclass(frozen=True)
class Feature:
    """A feature and its column."""

    name: str
    source: str
    column: Column[Any, Any]
    is_output: bool
    tied: str | None

    @classmethod
    def of(cls, spec: FeatureSpec) -> Feature:
        """The feature that the spec describes."""
        tied = spec.tied if isinstance(spec, InputSpec) else None
        return cls(spec.name, spec.source, column_of(spec), not isinstance(spec, InputSpec), tied)


def features_of(config: Config) -> tuple[Feature, ...]:
    """Inputs, then outputs."""
    return tuple(Feature.of(spec) for spec in (*config.input_features, *config.output_features))


@dataclass
class Findings:
    """What was found in the rows that were read."""

    read: int = 0
    """Rows read."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows left out, by reason."""
    unparsable: dict[str, Unparsable] = field(default_factory=dict)
    """By feature."""
    present: Counter[str] = field(default_factory=Counter)
    """By feature, values that are not missing, the unparsable ones included."""

    def __add__(self, other: Findings) -> Findings:
        """Those of rows, and of rows behind them."""
        unparsable = dict(self.unparsable)
        for name, found in other.unparsable.items():
            unparsable[name] = unparsable.get(name, Unparsable()) + found
        return Findings(self.read + other.read, self.dropped + other.dropped, unparsable, self.present + other.present)

    def to_json(self) -> dict[str, Any]:
        """A value that `json` can write and `from_json` reads back."""
        unparsable = {name: asdict(found) for name, found in self.unparsable.items()}
        return {"read": self.read, "dropped": self.dropped, "unparsable": unparsable, "present": self.present}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Findings:
        """The inverse of `to_json`."""
        unparsable = {
            name: Unparsable(found["count"], tuple(found["samples"]), found["infinite"])
            for name, found in value["unparsable"].items()
        }
        return cls(value["read"], Counter(value["dropped"]), unparsable, Counter(value["present"]))


@dataclass(frozen=True)
class Rows:
    """Some rows."""

    columns: tuple[pa.Array, ...]
    """[N] canonical, by feature."""
    parts: np.ndarray
    """[N] which part of the split each belongs to."""
    numbers: np.ndarray
    """[N] numbers among the sampled rows."""


def each_column(pool: Executor, rows: int, work: Callable[..., Result], *columns: Iterable[Any]) -> Iterator[Result]:
    """The work on every column of a batch of so many rows; begun at once, in threads, where that is faster."""
    # On few rows numpy's and Arrow's calls are so short that threads only wait for the interpreter's lock.
    return pool.map(work, *columns) if rows >= _SLOW_ROWS else map(work, *columns)


@dataclass(frozen=True)
class Work:
    """What both passes work with."""

    plan: Plan
    config: Config
    pool: Executor
    """Does the work on columns side by side."""
    folder: Path
    """Where the results are written."""


def give_back_memory() -> None:
    """Arrow's allocator keeps what threads free for each other, and more of it the longer it runs."""
    pa.default_memory_pool().release_unused()


def read_rows(work: Work, part: Part, source: Source, findings: Findings) -> Iterator[Rows]:
    """Batches of at most 65,536 rows, in the order of the source; fills `findings` as it goes."""
    features, split, sampled = features_of(work.config), work.plan.split_of(part), work.plan.sample_of(part)
    names, types = _columns(features, split)
    row, number = part.first_row, part.first_number
    for raw in _coalesced(source.batches(names, types)):
        table = raw
        if sampled is not None:
            kept = sampled.keep(row, raw.num_rows)
            findings.dropped["not in the sample"] += int((~kept).sum())
            table = raw.filter(pa.array(kept))
        findings.read += raw.num_rows
        by = table.column(split.column) if split.column else None
        if isinstance(split, DatetimeSplit):
            by = split.times(by)
        parts = split.assign(by, number, table.num_rows)
        numbers = np.arange(number, number + table.num_rows)
        row, number = row + raw.num_rows, number + table.num_rows
        raw_columns = [table.column(feature.source) for feature in features]
        parsed = each_column(work.pool, table.num_rows, _parse, features, raw_columns)
        arrays = []
        for feature, (array, unparsable) in zip(features, parsed, strict=True):
            findings.present[feature.name] += len(array) - array.null_count + unparsable.count
            findings.unparsable[feature.name] = findings.unparsable.get(feature.name, Unparsable()) + unparsable
            arrays.append(array)
        usable = _usable(Rows(tuple(arrays), parts, numbers), features, split, findings)
        if len(usable.parts):
            yield usable


def _parse(feature: Feature, raw: pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
    return feature.column.parse(raw)


def _columns(features: Sequence[Feature], split: Split) -> tuple[list[str], dict[str, pa.DataType]]:
    """The columns to read, and the type that text should become where all who read a column want the same."""
    wanted: dict[str, list[pa.DataType | None]] = {}
    for feature in features:
        wanted.setdefault(feature.source, []).append(feature.column.arrow_type)
    if split.column:
        wanted.setdefault(split.column, []).append(split.column_type)
    types = {}
    for name, kinds in wanted.items():
        first = kinds[0]
        if all(kind == first for kind in kinds):
            if first is not None:
                types[name] = first
        else:
            types[name] = pa.string()
    return list(wanted), types


def _coalesced(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of one chunk a column, neither tiny nor large; only the last one may be small."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if waiting and waiting[0].schema != batch.schema:
            yield _one_chunk(waiting)
            waiting, rows, size = [], 0, 0
        for start in range(0, batch.num_rows, _MOST_ROWS):
            part = batch.slice(start, _MOST_ROWS)
            if rows + part.num_rows > _MOST_ROWS:
                yield _one_chunk(waiting)
                waiting, rows, size = [], 0, 0
            waiting.append(part)
            rows += part.num_rows
            size += part.nbytes
            if rows >= _FEW_ROWS or size >= _MANY_BYTES:
                yield _one_chunk(waiting)
                waiting, rows, size = [], 0, 0
    if waiting:
        yield _one_chunk(waiting)


def _one_chunk(batches: list[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(batches)
    if len(batches) == 1:
        return table
    if any(pt.is_dictionary(column.type) for column in table.schema):
        table = table.unify_dictionaries()
    return table.combine_chunks()


def _usable(rows: Rows, features: Sequence[Feature], split: Split, findings: Findings) -> Rows:
    """The rows that no feature's strategy leaves out; each row left out is counted once."""
    keep = np.ones(len(rows.parts), bool)
    for feature, column in zip(features, rows.columns, strict=True):
        drop = feature.column.drops(column, None)
        if drop is not None:
            kind = "target" if feature.is_output else "value"
            findings.dropped[f"missing {kind} in {feature.name}"] += int((drop & keep).sum())
            keep &= ~drop
    timeless = rows.parts == NOWHERE
    if timeless.any():
        findings.dropped[f"missing time in {split.column}"] += int((timeless & keep).sum())
        keep &= ~timeless
    if keep.all():
        return rows
    mask = pa.array(keep)
    return Rows(tuple(column.filter(mask) for column in rows.columns), rows.parts[keep], rows.numbers[keep])


_VALUES = {
    "category_distribution": "probabilities of the classes",
    "h3": "H3 cells",
    "timeseries": "series of numbers",
    "vector": "vectors of one length",
}


def check_unparsable(features: Sequence[Feature], config: Config, findings: Findings) -> list[str]:
    """Warnings of values that could not be read.

    Raises:
        DataError: in some column they are more than `max_unparsable` allows.
    """
    problems, warnings = [], []
    specs: list[InputSpec | OutputSpec] = [*config.input_features, *config.output_features]
    types = {spec.name: spec.type for spec in specs}
    limits = {
        spec.name: float(spec.preprocessing.max_unparsable)
        for spec in specs
        if isinstance(spec.preprocessing, ReadPreprocessingSpec)
    }
    for feature in features:
        found = findings.unparsable.get(feature.name, Unparsable())
        present, samples = findings.present[feature.name], listing(map(repr, found.samples))
        what = _VALUES.get(types[feature.name], f"{types[feature.name]}s")
        if found.count > limits.get(feature.name, 1.0) * present:
            problems.append(
                Problem(
                    feature.name,
                    f"{found.count:,} of {present:,} values are no {what}: {samples}",
                    f"at most {limits[feature.name]:.1%} (max_unparsable)",
                    "is it of type category or text?",
                )
            )
        elif found.count:
            warnings.append(f"{feature.name}: {found.count:,} values are no {what} and count as missing: {samples}")
        if found.infinite:
            warnings.append(f"{feature.name}: {found.infinite:,} values are infinite and count as missing")
    if problems:
        raise DataError(problems)
    return warnings
