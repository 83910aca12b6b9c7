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
from ostinato.labels import DICTIONARY, labels, one_chunk
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape

PADDING, UNKNOWN = 0, 1
_FIRST_CODE = 2

# Letters, digits and the underscore make words, everything else but space stands alone; RE2's \w knows only ASCII.
_SPACE = r"\s\p{Z}\v\x{1c}-\x{1f}\x{85}"
_PUNCTUATION = rf"([^\p{{L}}\p{{M}}\p{{N}}_{_SPACE}])"
_BLANK = rf"^[{_SPACE}]*$"
_BREAK = "\x00"


def _split_whitespace(texts: pa.Array) -> pa.ListArray:
    # In plain text the fast function finds the same.
    if _is_plain(texts):
        return pc.ascii_split_whitespace(texts)
    # Arrow (26) reads behind the end of a text that ends with several spaces, and finds one more symbol or not.
    return pc.utf8_split_whitespace(pc.utf8_rtrim_whitespace(texts))


def _is_plain(texts: pa.Array) -> bool:
    """Whether there is ASCII only, and no separator of files or records, which Unicode takes for space."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]]
    letters = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[1]]
    return not len(letters) or bool(letters.max() < 128 and not (letters - np.uint8(0x1C) < 4).any())


_TOKENIZERS: dict[str, Callable[[pa.Array], pa.ListArray]] = {
    "space": _split_whitespace,
    "space_punct": lambda t: _split_whitespace(pc.replace_substring_regex(t, _PUNCTUATION, r" \1 ")),
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
    """Whole texts, as symbols with `_BREAK` between; counted only where the most frequent one fills gaps."""
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

    @property
    def canonical_type(self) -> pa.DataType:
        """Lists of symbols: a text is cut once, not before fitting and again after."""
        return pa.list_(DICTIONARY)

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any simple type -> [N] lists of symbols; an empty text is missing, nothing is unparsable."""
        array = one_chunk(raw)
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            array = labels(array, self.spec.name)
        texts = array.cast(pa.string())
        blank = pc.match_substring_regex(texts, _BLANK)
        if pc.any(blank, min_count=0).as_py():
            texts = pc.if_else(blank, pa.scalar(None, pa.string()), texts)
        return self._cut(texts), Unparsable()

    def _cut(self, texts: pa.Array) -> pa.ListArray:
        """[N] texts -> [N] lists of symbols; a missing text stays missing."""
        empty = missing(texts) if texts.null_count else None
        texts = pc.fill_null(texts, "") if texts.null_count else texts
        if self.preprocessing.lowercase:
            texts = pc.ascii_lower(texts) if _is_plain(texts) else pc.utf8_lower(texts)
        lists = _TOKENIZERS[self.preprocessing.tokenizer](texts)
        symbols, offsets = lists.flatten(), lists.offsets.to_numpy()
        offsets = offsets - offsets[0]
        filled = pc.binary_length(symbols).to_numpy() > 0
        if not filled.all():
            offsets = np.concatenate([[0], np.cumsum(filled)])[offsets]
            symbols = symbols.filter(pa.array(filled))
        mask = None if empty is None else pa.array(empty)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _encoded(symbols), mask=mask)

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> TextStats:
        """Counts of symbols, and the length of the longest of [N] lists."""
        by_mode = self.preprocessing.missing_value_strategy in ("fill_with_mode", "bfill", "ffill")
        return TextStats(
            symbols=Counts.of(column.flatten()),
            texts=Counts.of(_encoded(pc.binary_join(column.cast(pa.list_(pa.string())), _BREAK)))
            if by_mode
            else Counts(),
            rows=len(column) - column.null_count,
            missing=column.null_count,
            longest=int(_lengths(column).max(initial=0)),
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
            fill = pa.array(most_frequent[0].split(_BREAK)) if most_frequent else None
        elif options.missing_value_strategy == "fill_with_const" and options.fill_value != options.unknown_symbol:
            fill = self._cut(pa.array([options.fill_value])).flatten().cast(pa.string())
        else:
            fill = None
        if fill is None:
            return fitted
        return fitted.model_copy(update={"fill": tuple(_codes(_encoded(fill), fitted).tolist())})

    def drops(self, column: pa.Array, fitted: TextFitted | None) -> np.ndarray | None:
        """[N] bool: missing texts, where `drop_row` is their strategy."""
        if fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count:
            return missing(column)
        return None

    def gaps(self, column: pa.Array, fitted: TextFitted) -> Gaps | None:
        """Missing texts, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: TextFitted) -> np.ndarray:
        """[N] lists of symbols -> [N, T] int32; the first T symbols, short texts filled with 0."""
        codes, lengths = _codes(column.flatten(), fitted), _lengths(column)
        left = self.preprocessing.padding == "left"
        if lengths.max(initial=0) > fitted.length:
            places = np.arange(len(codes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            codes, lengths = codes[places < fitted.length], np.minimum(lengths, fitted.length)
        result = np.full((len(column), fitted.length), PADDING, np.int32)
        places = np.arange(fitted.length, dtype=np.int32)
        ends = lengths.astype(np.int32)[:, None]
        result[places >= fitted.length - ends if left else places < ends] = codes
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


def _codes(symbols: pa.DictionaryArray, fitted: TextFitted) -> np.ndarray:
    """[N] symbols -> [N] int32."""
    found = pc.index_in(symbols.dictionary, value_set=fitted.lookup).fill_null(UNKNOWN - _FIRST_CODE)
    codes: np.ndarray = (found.to_numpy() + _FIRST_CODE).astype(np.int32)[symbols.indices.to_numpy()]
    return codes


def _lengths(lists: pa.ListArray) -> np.ndarray:
    """[N] symbols of each text; a missing one has none."""
    lengths: np.ndarray = pc.list_value_length(lists).fill_null(0).to_numpy()
    return lengths


def _encoded(texts: pa.Array) -> pa.DictionaryArray:
    """[N] texts, each written once."""
    return texts.dictionary_encode() if len(texts) else pa.array([], DICTIONARY)
