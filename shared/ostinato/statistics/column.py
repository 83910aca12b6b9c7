"""What a raw column holds, before it is known what it means: mergeable statistics. N rows."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.column import Unparsable, input_column
from ostinato.features.number.spec import NumberInputSpec
from ostinato.labels import labels
from ostinato.moments import Moments
from ostinato.sample import RowSample, mix, text_hashes
from ostinato.statistics.distinct import Distinct, unique

MOST_VALUES = 4096
"""Distinct values that are counted exactly; of more, only their number is known."""
LONGEST_VALUE = 256
"""Characters of a value that is counted; a column with a longer one is free text."""
_MOST_SAMPLES = 5

NUMBERS = input_column(NumberInputSpec(name="number", type="number"))
"""What tells which texts are numbers: the same column that encodes them."""


@dataclass(frozen=True)
class Frequencies:
    """How often each value occurs, while there are few; `counts` None once there were too many."""

    counts: dict[str, int] | None = field(default_factory=dict)

    def merge(self, other: Self) -> Self:
        """Of both."""
        if self.counts is None or other.counts is None:
            return type(self)(None)
        if not self.counts or not other.counts:
            return self if self.counts else other
        total = Counter(self.counts)
        total.update(other.counts)
        return type(self)(dict(total) if len(total) <= MOST_VALUES else None)

    def most_common(self, most: int | None = None) -> list[tuple[str, int]]:
        """Values and counts, the most frequent first, ties by name; nothing where there were too many."""
        pairs = (self.counts or {}).items()
        if most is None:
            return sorted(pairs, key=_by_count)
        return heapq.nsmallest(most, pairs, key=_by_count)


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


@dataclass(frozen=True)
class Lengths:
    """Characters and words of texts."""

    values: int = 0
    characters: int = 0
    words: int = 0
    longest: int = 0

    @classmethod
    def of(cls, texts: pa.StringArray, counts: np.ndarray) -> Self:
        """Of distinct texts that occur `counts` times."""
        if not len(texts):
            return cls()
        lengths = pc.utf8_length(texts).to_numpy()
        words = pc.count_substring_regex(texts, r"\S+").to_numpy()
        return cls(int(counts.sum()), int(lengths @ counts), int(words @ counts), int(lengths.max()))

    def merge(self, other: Self) -> Self:
        """Of both."""
        return type(self)(
            self.values + other.values,
            self.characters + other.characters,
            self.words + other.words,
            max(self.longest, other.longest),
        )

    @property
    def mean_characters(self) -> float:
        """Characters of a value."""
        return self.characters / self.values if self.values else 0.0

    @property
    def mean_words(self) -> float:
        """Words of a value."""
        return self.words / self.values if self.values else 0.0


@dataclass(frozen=True)
class ColumnStats:
    """Statistics of some rows of a raw column. `ColumnStats()` is the identity of `merge`."""

    rows: int = 0
    missing: int = 0
    """Nulls and NaN."""
    types: frozenset[str] = frozenset()
    """Arrow types of the values."""
    numbers: Moments = field(default_factory=Moments)
    """Of the values that are finite numbers, or text that says one."""
    minimum: float = math.inf
    maximum: float = -math.inf
    whole: bool = True
    """Whether all numbers are whole."""
    sample: RowSample = field(default_factory=RowSample.empty)
    """Of the numbers."""
    no_numbers: int = 0
    """Values that are text, and no number."""
    no_number_samples: tuple[str, ...] = ()
    """Some of them, for people: which ones depends on the batches."""
    infinite: int = 0
    """Infinite numbers."""
    distinct: Distinct = field(default_factory=Distinct)
    frequencies: Frequencies = field(default_factory=Frequencies)
    lengths: Lengths = field(default_factory=Lengths)
    """Of the values that are text."""

    @classmethod
    def of(cls, raw: pa.Array, start: int) -> Self:
        """Of [N] raw values; `start` is the number of the first row."""
        kind = raw.type.value_type if pt.is_dictionary(raw.type) else raw.type
        if pt.is_null(kind):
            return cls(len(raw), len(raw))
        types = frozenset({str(kind)})
        if pt.is_nested(kind) or pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind):
            return cls(len(raw), raw.null_count, types, frequencies=Frequencies(None))
        if (pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)) and not pt.is_dictionary(raw.type):
            return cls._of_numbers(raw, start, types)
        return cls._of_values(raw, start, types)

    @classmethod
    def _of_numbers(cls, raw: pa.Array, start: int, types: frozenset[str]) -> Self:
        parsed, unparsable = NUMBERS.parse(raw)
        numbers = _number_parts(parsed, start)
        present = parsed.drop_null().to_numpy()
        missing = len(raw) - len(present) - unparsable.infinite
        frequencies = _frequencies_of_numbers(present)
        distinct = Distinct.of(_hashes_of_numbers(present))
        return cls(
            len(raw),
            missing,
            types,
            **numbers,
            infinite=unparsable.infinite,
            distinct=distinct,
            frequencies=frequencies,
        )

    @classmethod
    def _of_values(cls, raw: pa.Array, start: int, types: frozenset[str]) -> Self:
        """Texts, booleans, times."""
        encoded = labels(raw, "")
        missing = encoded.null_count
        counts = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(encoded.dictionary))
        there = counts > 0
        texts, counts = encoded.dictionary.filter(pa.array(there)), counts[there]
        is_text = any("string" in name for name in types)
        values, unparsable = NUMBERS.parse(texts) if is_text else (pa.nulls(len(texts), pa.float64()), Unparsable())
        numbers: dict[str, Any] = {}
        if values.null_count < len(values):
            numbers = _number_parts(NUMBERS.parse(encoded)[0], start)
        if unparsable.count == values.null_count:  # no words for missing or infinite numbers among them
            no_numbers = int(counts[values.is_null().to_numpy(zero_copy_only=False)].sum())
            unparsable = Unparsable(no_numbers, unparsable.samples)
        elif is_text:
            unparsable = NUMBERS.parse(encoded)[1]
        others = texts.filter(values.is_null())
        hashes = np.concatenate([_hashes_of_numbers(values.drop_null().to_numpy()), text_hashes(others)])
        return cls(
            len(raw),
            missing,
            types,
            **numbers,
            no_numbers=unparsable.count if is_text else len(raw) - missing,
            no_number_samples=unparsable.samples,
            infinite=unparsable.infinite,
            distinct=Distinct.of(hashes),
            frequencies=_frequencies_of_texts(texts, counts),
            lengths=Lengths.of(texts, counts) if is_text else Lengths(),
        )

    def merge(self, other: Self) -> Self:
        """Of both."""
        if not self.rows:
            return other
        return type(self)(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            types=self.types | other.types,
            numbers=self.numbers.merge(other.numbers),
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            whole=self.whole and other.whole,
            sample=self.sample.merge(other.sample),
            no_numbers=self.no_numbers + other.no_numbers,
            no_number_samples=tuple(dict.fromkeys(self.no_number_samples + other.no_number_samples))[:_MOST_SAMPLES],
            infinite=self.infinite + other.infinite,
            distinct=self.distinct.merge(other.distinct),
            frequencies=self.frequencies.merge(other.frequencies),
            lengths=self.lengths.merge(other.lengths),
        )

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.rows - self.missing

    def to_json(self) -> dict[str, Any]:
        """What `json` can write and `from_json` reads back."""
        simple = ("rows", "missing", "whole", "no_numbers", "infinite")
        return {
            **{name: getattr(self, name) for name in simple},
            "types": sorted(self.types),
            "numbers": self.numbers.to_json(),
            "minimum": self.minimum if self.numbers.count else None,
            "maximum": self.maximum if self.numbers.count else None,
            "sample": self.sample.to_json(),
            "no_number_samples": list(self.no_number_samples),
            "distinct": self.distinct.to_json(),
            "frequencies": None if self.frequencies.counts is None else dict(self.frequencies.most_common()),
            "lengths": {one.name: getattr(self.lengths, one.name) for one in fields(Lengths)},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        simple = {name: value[name] for name in ("rows", "missing", "whole", "no_numbers", "infinite")}
        return cls(
            **simple,
            types=frozenset(value["types"]),
            numbers=Moments.from_json(value["numbers"]),
            minimum=math.inf if value["minimum"] is None else value["minimum"],
            maximum=-math.inf if value["maximum"] is None else value["maximum"],
            sample=RowSample.from_json(value["sample"]),
            no_number_samples=tuple(value["no_number_samples"]),
            distinct=Distinct.from_json(value["distinct"]),
            frequencies=Frequencies(value["frequencies"]),
            lengths=Lengths(**value["lengths"]),
        )


def _number_parts(parsed: pa.Array, start: int) -> dict[str, Any]:
    """The fields of ColumnStats that tell of [N] numbers or nulls."""
    stats = NUMBERS.analyze(parsed, start)
    values = parsed.drop_null().to_numpy()
    return {
        "numbers": stats.moments,
        "minimum": stats.minimum,
        "maximum": stats.maximum,
        "whole": bool((np.trunc(values) == values).all()),
        "sample": stats.sample,
    }


def _hashes_of_numbers(values: np.ndarray) -> np.ndarray:
    """Of 0.0 and -0.0 the same."""
    return mix((values + 0.0).view(np.uint64)) if len(values) else np.empty(0, np.uint64)


def _frequencies_of_numbers(values: np.ndarray) -> Frequencies:
    if len(values) > 2 * MOST_VALUES and len(unique(values[: 2 * MOST_VALUES])) > MOST_VALUES:
        return Frequencies(None)
    found, counts = np.unique(values + 0.0, return_counts=True)
    if len(found) > MOST_VALUES:
        return Frequencies(None)
    return _frequencies_of_texts(labels(pa.array(found), "").cast(pa.string()), counts)


def _frequencies_of_texts(texts: pa.Array, counts: np.ndarray) -> Frequencies:
    if len(texts) > MOST_VALUES or (len(texts) and pc.max(pc.utf8_length(texts)).as_py() > LONGEST_VALUE):
        return Frequencies(None)
    return Frequencies(dict(zip(texts.to_pylist(), counts.tolist(), strict=True)))
