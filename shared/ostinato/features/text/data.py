"""Texts: cut into symbols, then codes by falling frequency. N rows, T symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Strict

from ostinato.column import Column, Fitted, Stats, Unparsable
from ostinato.counts import Counts
from ostinato.features.text.spec import TextInputSpec
from ostinato.labels import labels, one_chunk
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.shape import Shape

PADDING, UNKNOWN = 0, 1
_FIRST_CODE = 2

# Letters, digits and the underscore make words, everything else but space stands alone; RE2's \w knows only ASCII.
_PUNCTUATION = r"([^\p{L}\p{M}\p{N}_\s\p{Z}\v\x{1c}-\x{1f}\x{85}])"
_BREAK = "\x00"

_TOKENIZERS: dict[str, Callable[[pa.Array], pa.ListArray]] = {
    "space": pc.utf8_split_whitespace,
    "space_punct": lambda t: pc.utf8_split_whitespace(pc.replace_substring_regex(t, _PUNCTUATION, r" \1 ")),
    "characters": lambda t: pc.split_pattern(pc.replace_substring_regex(t, "(?s)(.)", rf"\1{_BREAK}"), _BREAK),
    "underscore": lambda t: pc.split_pattern(t, "_"),
    "comma": lambda t: pc.split_pattern(t, ","),
    "untokenized": lambda t: pc.split_pattern(t, _BREAK),
    "stripped": lambda t: pc.split_pattern(pc.utf8_trim_whitespace(t), _BREAK),
}


@dataclass(frozen=True)
class TextStats(Stats):
    """How often each symbol occurs, and how long texts are."""

    symbols: Counts = field(default_factory=Counts)
    texts: Counts = field(default_factory=Counts)
    """Whole texts; counted only where the most frequent one fills gaps."""
    rows: int = 0
    missing: int = 0
    longest: int = 0

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        return type(self)(
            self.symbols.merge(other.symbols),
            self.texts.merge(other.texts),
            self.rows + other.rows,
            self.missing + other.missing,
            max(self.longest, other.longest),
        )

    def to_json(self) -> dict[str, Any]:
        """Symbols in order of frequency."""
        return {
            "symbols": self.symbols.to_json(),
            "texts": self.texts.to_json(),
            "rows": self.rows,
            "missing": self.missing,
            "longest": self.longest,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        symbols, texts = Counts.from_json(value["symbols"]), Counts.from_json(value["texts"])
        return cls(symbols, texts, value["rows"], value["missing"], value["longest"])


class TextFitted(Fitted):
    """The vocabulary of the training rows, and the length of every sequence."""

    vocabulary: Annotated[tuple[str, ...], Strict(False)]
    """Symbols in the order of their codes; 0 fills short texts, 1 is the unknown symbol."""
    counts: Annotated[tuple[int, ...], Strict(False)]
    """How often each occurs among the training rows; 0 for the first two."""
    rows: int
    """Texts."""
    missing: int
    """Missing texts."""
    longest: int
    """Symbols of the longest training text."""
    length: int
    """Symbols of every encoded text."""
    fill: Annotated[tuple[int, ...], Strict(False)]
    """Codes that stand for a missing text."""

    @cached_property
    def lookup(self) -> pa.Array:
        """The vocabulary as Arrow, without the two special symbols: text may contain their names."""
        return pa.array(self.vocabulary[_FIRST_CODE:], pa.string())


@implements(TextInputSpec, "data")
class TextColumn(Column[TextStats, TextFitted]):
    """A column of texts to learn from."""

    stats_type = TextStats
    fitted_type = TextFitted
    arrow_type = pa.string()

    def __init__(self, spec: TextInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any simple type -> [N] text; an empty text is missing, nothing is unparsable."""
        array = one_chunk(raw)
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            array = labels(array, self.spec.name)
        texts = array.cast(pa.string())
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
        return pc.if_else(blank, pa.scalar(None, pa.string()), texts), Unparsable()

    def symbols(self, texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
        """[N] texts -> all their symbols in a row, and [N] how many each text has; a missing text has none."""
        if self.preprocessing.lowercase:
            texts = pc.utf8_lower(texts)
        lists = _TOKENIZERS[self.preprocessing.tokenizer](pc.fill_null(texts, ""))
        symbols = lists.flatten()
        filled = pc.not_equal(symbols, "").to_numpy(zero_copy_only=False)
        ends = np.concatenate([[0], np.cumsum(filled)])
        offsets = lists.offsets.to_numpy()
        bounds = ends[offsets - offsets[0]]
        return symbols.filter(pa.array(filled)), np.diff(bounds)

    def analyze(self, column: pa.Array, start: int) -> TextStats:
        """Symbols and lengths of [N] texts."""
        symbols, lengths = self.symbols(column)
        by_mode = self.preprocessing.missing_value_strategy in ("fill_with_mode", "bfill", "ffill")
        return TextStats(
            symbols=Counts.of(symbols.dictionary_encode()),
            texts=Counts.of(column.dictionary_encode()) if by_mode else Counts(),
            rows=len(column) - column.null_count,
            missing=column.null_count,
            longest=int(lengths.max(initial=0)),
        )

    def fit(self, stats: TextStats) -> TextFitted:
        """The vocabulary (falling frequency, ties by name) and the length."""
        options = self.preprocessing
        symbols, counts = stats.symbols.most_common(options.most_common)
        length = options.sequence_length or max(1, min(stats.longest, options.max_sequence_length or stats.longest))
        fitted = TextFitted(
            vocabulary=(options.padding_symbol, options.unknown_symbol, *symbols),
            counts=(0, 0, *counts),
            rows=stats.rows,
            missing=stats.missing,
            longest=stats.longest,
            length=length,
            fill=(UNKNOWN,),
        )
        if options.missing_value_strategy in ("fill_with_mode", "bfill", "ffill"):
            most_frequent, _ = stats.texts.most_common(1)
            text = most_frequent[0] if most_frequent else options.unknown_symbol
        else:
            text = options.fill_value if options.missing_value_strategy == "fill_with_const" else options.unknown_symbol
        if text == options.unknown_symbol:
            return fitted
        codes, _ = self._codes(pa.array([text]), fitted)
        return fitted.model_copy(update={"fill": tuple(codes.tolist())})

    def drops(self, column: pa.Array, fitted: TextFitted | None) -> np.ndarray | None:
        """[N] bool: missing texts, where `drop_row` is their strategy."""
        if fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count:
            return missing(column)
        return None

    def gaps(self, column: pa.Array, fitted: TextFitted) -> Gaps | None:
        """Missing texts, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def _codes(self, column: pa.Array, fitted: TextFitted) -> tuple[np.ndarray, np.ndarray]:
        """[N] texts -> the codes of all their symbols in a row, and [N] how many each text has."""
        symbols, lengths = self.symbols(column)
        encoded = symbols.dictionary_encode()
        found = pc.index_in(encoded.dictionary, value_set=fitted.lookup).fill_null(UNKNOWN - _FIRST_CODE)
        codes = (found.to_numpy() + _FIRST_CODE).astype(np.int32)
        return codes[encoded.indices.to_numpy()], lengths

    def encode(self, column: pa.Array, fitted: TextFitted) -> np.ndarray:
        """[N] texts -> [N, T] int32; the first T symbols, short texts filled with 0."""
        codes, lengths = self._codes(column, fitted)
        rows = np.repeat(np.arange(len(column)), lengths)
        places = np.arange(len(codes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        result = np.full((len(column), fitted.length), PADDING, np.int32)
        kept = places < fitted.length
        rows, places, codes = rows[kept], places[kept], codes[kept]
        left = self.preprocessing.padding == "left"
        if left:
            places = places + np.maximum(fitted.length - lengths, 0)[rows]
        result[rows, places] = codes
        if column.null_count:
            fill = np.array(fitted.fill[: fitted.length], np.int32)
            line = np.full(fitted.length, PADDING, np.int32)
            line[fitted.length - len(fill) if left else 0 :][: len(fill)] = fill
            result[missing(column)] = line
        return result

    def decode(self, encoded: np.ndarray, fitted: TextFitted) -> pa.Array:
        """[N, T] codes -> [N] symbols joined by spaces."""
        names = pa.array(fitted.vocabulary)
        kept = encoded != PADDING
        offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(encoded[kept])))
        return pc.binary_join(lists, " ")

    def shape(self, fitted: TextFitted) -> Shape:
        """Kind sequence."""
        return Shape("sequence", vocab_size=len(fitted.vocabulary), length=fitted.length, padding_code=PADDING)

    def warnings(self, fitted: TextFitted) -> list[str]:
        """A column without texts."""
        if fitted.rows:
            return []
        return [f"{self.spec.name}: no texts among the training rows; the column says nothing"]
