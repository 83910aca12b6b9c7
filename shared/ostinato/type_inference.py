"""Which feature type a column is, and a first config for a data set.

The rules, in this order (values are those that are not missing):

1. no values, or one distinct value: nothing to learn from; left out.
2. dates, and texts that look like them: date, as inputs; paths of images or audio, lists, bytes: left out.
3. two distinct values, or booleans: binary; as an input with missing values, which are neither, category.
4. all values are numbers (one in a hundred may be something else): number. But for
   - whole numbers that count the rows without a gap, as inputs: numbers of rows; left out;
   - whole numbers from 0 or 1 up without a gap, at most ten, as a target: category (classes);
   - texts with leading zeros ("007"): codes, handled as below.
5. texts that are almost all different: of five words and more, text; shorter, names or keys; left out.
6. texts of three words and more on average, or over 256 characters, with many different ones: text.
7. the rest: category; left out as an input where most rows have a value of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ostinato.batches import open_source
from ostinato.config import Config
from ostinato.errors import DataError, Problem, listing
from ostinato.features.spec import OUTPUTS, InputSpec
from ostinato.load import check_columns
from ostinato.sources.source import check_present
from ostinato.statistics.column import ColumnStats
from ostinato.statistics.table import TableStats, collect

SPLIT_COLUMN = "split"
_MOST_CLASSES = 10
_FEW_OTHERS = 0.01
_ALMOST_ALL = 0.95
_MOST = 0.5
_ROWS_TO_JUDGE = 20
_CHECKED_ROWS = 100_000

_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( \d{1,2}:\d{2}.*)?"
)
_IMAGE = re.compile(r"\S.*\.(png|jpe?g|gif|bmp|tiff?|webp)", re.IGNORECASE)
_AUDIO = re.compile(r"\S.*\.(wav|mp3|flac|ogg|m4a|opus)", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"0\d+")
_TIMES = ("date", "timestamp")
_LISTS = ("list", "large_list", "fixed_size_list")
_OF_LISTS = ("vector", "timeseries", "set", "bag", "sequence", "text", "category_distribution")


@dataclass(frozen=True)
class Inferred:
    """What a column is."""

    type: str
    """Feature type: the one to use, or the one that it would be."""
    reason: str
    """Why, in words for a person."""
    left_out: str = ""
    """Why it is not among the inputs of a suggested config; empty where it is."""
    flags: tuple[str, ...] = ()
    """Of `constant`, `id-like`, `date-like`, `image-paths`, `audio-paths`, `nested`, `many-values`."""


@dataclass(frozen=True)
class Suggestion:
    """A first config."""

    config: dict[str, Any]
    """Ready for `load_config`."""
    notes: tuple[str, ...]
    """What was left out and why, and what is worth a second look."""
    columns: dict[str, Inferred] = field(default_factory=dict)
    """What each column is."""


def infer(stats: ColumnStats, examples: Sequence[str | None] = (), *, is_target: bool = False) -> Inferred:
    """The type of a column.

    Args:
        stats: of the whole column, or of many rows.
        examples: some of its values as text.
        is_target: whether it is to be predicted.
    """
    values = [value for value in examples if value is not None]
    distinct, present = stats.distinct.count(), stats.present
    unfit = _unfit(stats, values)
    if unfit is not None:
        return unfit
    if (distinct == 2 or "bool" in stats.types) and stats.missing and not is_target and not stats.numbers.count:
        return Inferred("category", f"two values, and {stats.missing:,} missing, which stay apart from both")
    if distinct == 2 or "bool" in stats.types:
        return Inferred(
            "binary", "two values: " + listing(repr(value) for value, _ in stats.frequencies.most_common(2))
        )
    codes = any(_LEADING_ZERO.fullmatch(value) for value in values) and any("string" in name for name in stats.types)
    if stats.numbers.count and stats.no_numbers <= _FEW_OTHERS * present and not codes:
        return _number(stats, is_target)
    return _text(stats, distinct, present)


def _unfit(stats: ColumnStats, values: Sequence[str]) -> Inferred | None:
    """What nothing can be learned from, or not in this version."""
    if not stats.present:
        return Inferred("category", "no values", "it has no values", ("constant",))
    times = [name for name in stats.types if name.startswith(_TIMES)]
    if times:
        return Inferred("date", f"values of type {times[0]}", "", ("date-like",))
    if stats.distinct.count() == 0:
        kind = listing(sorted(stats.types))
        are_lists = all(name.startswith(_LISTS) for name in stats.types)
        why = "it holds lists; say what they are: vector, timeseries, set, bag or sequence"
        left_out = why if are_lists else f"values of type {kind} {_LATER}"
        list_type = "set" if any("string" in name for name in stats.types) else "vector"
        return Inferred(list_type if are_lists else "category", f"values of type {kind}", left_out, ("nested",))
    if stats.distinct.count() == 1:
        return Inferred("category", "one value", "it has the same value everywhere", ("constant",))
    return _of_pattern(values) if values and stats.no_numbers else None


def _of_pattern(values: Sequence[str]) -> Inferred | None:
    """Dates, and paths of images and audio."""
    for pattern, kind, flag, left_out in (
        (_DATE, "date", "date-like", ""),
        (_IMAGE, "image", "image-paths", f"images {_LATER}"),
        (_AUDIO, "audio", "audio-paths", f"audio {_LATER}"),
    ):
        matching = sum(1 for value in values if pattern.fullmatch(value))
        if matching >= _ALMOST_ALL * len(values):
            return Inferred(
                kind, "looks like dates" if kind == "date" else f"looks like paths of {kind}", left_out, (flag,)
            )
    return None


_LATER = "are part of the language but not implemented yet"


def _number(stats: ColumnStats, is_target: bool) -> Inferred:
    distinct = stats.distinct.count()
    span = stats.maximum - stats.minimum + 1
    others = f"; {stats.no_numbers:,} values are none" if stats.no_numbers else ""
    if is_target and stats.whole and distinct <= _MOST_CLASSES and stats.minimum in (0, 1) and span == distinct:
        reason = f"whole numbers from {stats.minimum:g} to {stats.maximum:g}, taken as classes"
        return Inferred("category", reason)
    if (
        stats.whole
        and stats.numbers.count == stats.rows >= _ROWS_TO_JUDGE
        and span == stats.rows
        and _all_differ(stats)
    ):
        reason = f"whole numbers from {stats.minimum:g} to {stats.maximum:g}, each once"
        return Inferred("number", reason, "it numbers the rows", ("id-like",))
    what = "whole numbers" if stats.whole else "numbers"
    return Inferred("number", f"{what} from {stats.minimum:g} to {stats.maximum:g}{others}")


def _text(stats: ColumnStats, distinct: int, present: int) -> Inferred:
    words = stats.lengths.mean_words
    count = f"{distinct:,}" if stats.distinct.is_exact else f"about {distinct:,}"
    found = f"{count} different values in {present:,}, {words:.1f} words on average"
    if present >= _ROWS_TO_JUDGE and distinct >= _ALMOST_ALL * present:
        if words >= 5:
            return Inferred("text", found)
        return Inferred("category", found, "almost every row has a value of its own: names or keys", ("id-like",))
    if (words >= 3 and distinct > _MOST * present) or (stats.frequencies.counts is None and words >= 5):
        return Inferred("text", found)
    if present >= _ROWS_TO_JUDGE and distinct > _MOST * present:
        return Inferred(
            "category", found, f"{count} different values in {present:,} rows: too few of each", ("many-values",)
        )
    return Inferred("category", found)


def _all_differ(stats: ColumnStats) -> bool:
    distinct = stats.distinct.count()
    return distinct == stats.numbers.count if stats.distinct.is_exact else distinct >= 0.93 * stats.numbers.count


def infer_all(stats: TableStats, targets: Sequence[str] = ()) -> dict[str, Inferred]:
    """The type of each column."""
    return {
        name: infer(column, stats.sample[name].slice(0, 1000).to_pylist(), is_target=name in targets)
        for name, column in stats.columns.items()
    }


def suggest(dataset: object, targets: Sequence[str], data_format: str = "auto") -> Suggestion:
    """A first config for a data set: every column that is worth learning from, and the targets.

    Raises:
        DataError: the data can't be read, has no rows, or targets are no columns or can't be predicted.
    """
    source = open_source(dataset, data_format)
    check_present(source.uri, targets, source.column_names())
    stats = collect(source)
    if not stats.rows:
        raise DataError(Problem(source.uri, "has no rows"))
    return suggest_config(infer_all(stats, targets), targets, stats)


def suggest_config(
    columns: Mapping[str, Inferred], targets: Sequence[str], stats: TableStats | None = None
) -> Suggestion:
    """A first config from what the columns are; `stats` tell a column of the split from a feature.

    Raises:
        DataError: a target can't be predicted.
    """
    problems = [_unpredictable(name, columns[name]) for name in targets]
    if any(problems):
        raise DataError(problem for problem in problems if problem)
    notes = [
        f"{name} is predicted as {columns[name].type}: {columns[name].reason}; say 'type: number' if sizes matter"
        for name in targets
        if columns[name].reason.endswith("taken as classes")
    ]
    inputs: list[dict[str, Any]] = []
    for name, column in columns.items():
        if name in targets:
            continue
        if stats is not None and is_split(name, stats.columns[name]):
            notes.append(f"{name} is left out: it tells which rows train (0), validate (1) and test (2)")
        elif column.left_out:
            notes.append(f"{name} is left out: {column.left_out}")
        else:
            inputs.append({"name": name, "type": column.type})
    if not inputs:
        raise DataError(Problem("", "no column is left to learn from", hint="; ".join(notes)))
    outputs = [{"name": name, "type": columns[name].type} for name in dict.fromkeys(targets)]
    return Suggestion({"input_features": inputs, "output_features": outputs}, tuple(notes), dict(columns))


def is_split(name: str, stats: ColumnStats) -> bool:
    """Whether the column tells which rows train, validate and test."""
    numbers = stats.numbers.count == stats.present > 0 and stats.whole
    return name == SPLIT_COLUMN and numbers and stats.minimum >= 0 and stats.maximum <= 2


def _unpredictable(name: str, column: Inferred) -> Problem | None:
    allowed = sorted(OUTPUTS.specs[""])
    if "constant" in column.flags:
        return Problem(name, f"can't be predicted: {column.left_out}")
    if column.type not in allowed:
        return Problem(name, f"can't be predicted: {column.reason}", f"targets of type {listing(allowed)}")
    return None


def check_dataset(config: Config, dataset: object, data_format: str = "auto") -> None:
    """Nothing, if the data has the columns of a config, and they hold what their types say (of 100,000 rows).

    Raises:
        DataError: everything that does not fit.
    """
    source = open_source(dataset, data_format)
    names = source.column_names()
    check_columns(config, names, None)
    features = (*config.input_features, *config.output_features)
    stats = collect(source, most_rows=_CHECKED_ROWS)
    if not stats.rows:
        raise DataError(Problem(source.uri, "has no rows"))
    problems = [_misfit(feature, stats.columns[feature.source]) for feature in features]
    if any(problems):
        raise DataError(problem for problem in problems if problem)


def _misfit(feature: Any, stats: ColumnStats) -> Problem | None:
    """What of a column's values does not fit the feature's type."""
    is_target = not isinstance(feature, InputSpec)
    if not stats.present:
        return Problem(feature.name, "has no values: nothing to learn") if is_target else None
    if not stats.distinct.count():
        fitting = _LISTS if feature.type in _OF_LISTS else _TIMES
        kind, fits = listing(sorted(stats.types)), all(name.startswith(fitting) for name in stats.types)
        return None if fits else Problem(feature.name, f"holds values of type {kind}", "text, numbers or booleans")
    match feature.type:
        case "number":
            limit = float(feature.preprocessing.max_unparsable)
            if stats.no_numbers > limit * stats.present:
                shown = listing(map(repr, stats.no_number_samples))
                found = f"{stats.no_numbers:,} of {stats.present:,} values are no numbers: {shown}"
                return Problem(
                    feature.name, found, f"at most {limit:.1%} (max_unparsable)", "is it a category or text?"
                )
        case "binary":
            values = [value for value, _ in stats.frequencies.most_common(6)]
            lowered = {value.lower() for value in values}
            if stats.distinct.count() > 2 and not (len(values) < 6 and lowered <= _WORDS):
                found = f"has {stats.distinct.count():,} values, not two: {listing(map(repr, values), 5)}"
                return Problem(feature.name, found, "two values", "a column of several values is of type category")
    if is_target and feature.type in ("binary", "category") and stats.distinct.count() == 1:
        return Problem(feature.name, "has one value everywhere: nothing to learn", "two values or more")
    return None


_WORDS = {"true", "t", "yes", "y", "1", "false", "f", "no", "n", "0"}
