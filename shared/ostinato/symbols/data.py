"""Columns of symbols: values are cut, then codes by falling frequency. N rows, T symbols, K symbols of a vocabulary."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from pydantic import Strict

from ostinato.column import Column, Fitted, Stats, Unparsable
from ostinato.counts import Counts
from ostinato.features.spec import FeatureSpec
from ostinato.labels import DICTIONARY, labels, one_chunk
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.symbols.spec import SequencePreprocessingSpec, SetPreprocessingSpec, SymbolsPreprocessingSpec
from ostinato.symbols.tokenizers import BREAK, cut, is_blank, lengths, without

PADDING, UNKNOWN = 0, 1
FIRST_CODE = 2
_BY_MODE = ("fill_with_mode", "bfill", "ffill")


@dataclass(frozen=True)
class SymbolStats(Stats):
    """How often each symbol occurs, and how many symbols values have."""

    symbols: Counts = field(default_factory=Counts)
    values: Counts = field(default_factory=Counts)
    """Whole values, as symbols with `BREAK` between; counted only where the most frequent one fills gaps."""
    rows: int = 0
    missing: int = 0
    longest: int = 0

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        return type(self)(
            self.symbols.merge(other.symbols),
            self.values.merge(other.values),
            self.rows + other.rows,
            self.missing + other.missing,
            max(self.longest, other.longest),
        )

    def to_json(self) -> dict[str, Any]:
        """Symbols in order of frequency."""
        return {
            "symbols": self.symbols.to_json(),
            "values": self.values.to_json(),
            "rows": self.rows,
            "missing": self.missing,
            "longest": self.longest,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        symbols, values = Counts.from_json(value["symbols"]), Counts.from_json(value["values"])
        return cls(symbols, values, value["rows"], value["missing"], value["longest"])


class SymbolFitted(Fitted):
    """The vocabulary of the training rows, and the length of every encoded value."""

    vocabulary: Annotated[tuple[str, ...], Strict(False)]
    """Symbols in the order of their codes; of an input 0 fills short values, 1 is the unknown symbol."""
    counts: Annotated[tuple[int, ...], Strict(False)]
    """How often each occurs among the training rows; 0 for these two."""
    rows: int
    """Values."""
    missing: int
    """Missing values."""
    longest: int
    """Symbols of the longest training value."""
    length: int
    """Symbols of every encoded value."""
    fill: Annotated[tuple[int, ...], Strict(False)]
    """Codes that stand for a missing value."""

    @cached_property
    def lookup(self) -> pa.Array:
        """The vocabulary of an input as Arrow, without the two special symbols: values may contain their names."""
        return pa.array(self.vocabulary[FIRST_CODE:], pa.string())


class SymbolsColumn(Column[SymbolStats, SymbolFitted]):
    """What all columns of symbols share."""

    stats_type = SymbolStats
    fitted_type = SymbolFitted
    arrow_type = pa.string()

    spec: FeatureSpec
    preprocessing: SymbolsPreprocessingSpec
    blank_is_missing: bool
    """Whether a value of nothing but space is a missing one, or one without symbols."""

    @property
    def canonical_type(self) -> pa.DataType:
        """Lists of symbols: a value is cut once, not before fitting and again after."""
        return pa.list_(DICTIONARY)

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any simple type, or lists of one -> [N] lists of symbols; nothing is unparsable.

        Raises:
            DataError: lists of lists, structs.
        """
        array = one_chunk(raw)
        if is_list(array.type):
            return self._of_lists(array), Unparsable()
        if not (pt.is_string(array.type) or pt.is_large_string(array.type)):
            array = labels(array, self.spec.name)
        texts = array.cast(pa.string())
        if self.blank_is_missing:
            blank = is_blank(texts)
            if pc.any(blank, min_count=0).as_py():
                texts = pc.if_else(blank, pa.scalar(None, pa.string()), texts)
        lists = cut(texts, self.preprocessing.tokenizer, lowercase=self.preprocessing.lowercase)
        return self.arranged(_encoded(lists, missing(texts) if texts.null_count else None)), Unparsable()

    def _of_lists(self, array: pa.Array) -> pa.ListArray:
        """[N] lists of simple values -> [N] lists of symbols; no value is left out but null and empty ones."""
        lists = as_lists(array)
        empty = missing(lists)
        if self.blank_is_missing:
            empty = empty | (lengths(lists) == 0)
        values = labels(lists.flatten(), self.spec.name, self.preprocessing.lowercase)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths(lists))]), pa.int32())
        named = pa.ListArray.from_arrays(offsets, values)
        kept = without(named, lambda symbols: ~missing(symbols))
        return self.arranged(_masked(kept, empty if empty.any() else None))

    def arranged(self, lists: pa.ListArray) -> pa.ListArray:
        """[N] lists -> the same, so that equal values are equal lists."""
        return lists

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> SymbolStats:
        """Counts of symbols, and the length of the longest of [N] lists."""
        whole = Counts()
        if self.strategy in _BY_MODE:
            joined = pc.binary_join(column.cast(pa.list_(pa.string())), BREAK)
            whole = Counts.of(joined.dictionary_encode() if len(joined) else pa.array([], DICTIONARY))
        return SymbolStats(
            symbols=Counts.of(column.flatten()),
            values=whole,
            rows=len(column) - column.null_count,
            missing=column.null_count,
            longest=int(lengths(column).max(initial=0)),
        )

    @property
    def strategy(self) -> str:
        """What becomes of a missing value."""
        return self.preprocessing.missing_value_strategy

    def filling(self, stats: SymbolStats, unknown: str) -> pa.DictionaryArray | None:
        """The symbols that stand for a missing value; None for the unknown one."""
        if self.strategy in _BY_MODE:
            most_frequent, _ = stats.values.most_common(1)
            symbols = [each for each in most_frequent[0].split(BREAK) if each] if most_frequent else None
            return None if symbols is None else pa.array(symbols, pa.string()).dictionary_encode()
        value = self.preprocessing.fill_value
        if self.strategy != "fill_with_const" or value == unknown:
            return None
        lists = cut(pa.array([value]), self.preprocessing.tokenizer, lowercase=self.preprocessing.lowercase)
        return self.arranged(_encoded(lists, None)).flatten()

    def drops(self, column: pa.Array, fitted: SymbolFitted | None) -> np.ndarray | None:
        """[N] bool: missing values, where `drop_row` is their strategy."""
        return missing(column) if fitted is None and self.strategy == "drop_row" and column.null_count else None

    def gaps(self, column: pa.Array, fitted: SymbolFitted) -> Gaps | None:
        """Missing values, where they come from neighbours."""
        return gaps_of_missing(column, self.strategy)

    def warnings(self, fitted: SymbolFitted) -> list[str]:
        """A column without values; values that are cut off."""
        name = self.spec.name
        if not fitted.rows:
            return [f"{name}: no {self.spec.type}s among the training rows; the column says nothing"]
        return []

    @abstractmethod
    def shape(self, fitted: SymbolFitted) -> Shape:
        """What the network must know."""


class SequenceSymbolsColumn(SymbolsColumn):
    """Symbols whose order counts."""

    blank_is_missing = True
    preprocessing: SequencePreprocessingSpec

    def fit(self, stats: SymbolStats) -> SymbolFitted:
        """The vocabulary (falling frequency, ties by name) and the length."""
        options = self.preprocessing
        symbols, counts = stats.symbols.most_common(options.most_common)
        length = options.sequence_length or max(1, min(stats.longest, options.max_sequence_length or stats.longest))
        fitted = SymbolFitted(
            vocabulary=(options.padding_symbol, options.unknown_symbol, *symbols),
            counts=(0, 0, *counts),
            rows=stats.rows,
            missing=stats.missing,
            longest=stats.longest,
            length=length,
            fill=(UNKNOWN,),
        )
        fill = self.filling(stats, options.unknown_symbol)
        return fitted if fill is None else fitted.model_copy(update={"fill": tuple(_codes(fill, fitted).tolist())})

    def encode(self, column: pa.Array, fitted: SymbolFitted) -> np.ndarray:
        """[N] lists of symbols -> [N, T] int32; the first T symbols, short values filled with 0."""
        left = self.preprocessing.padding == "left"
        result = padded(_codes(column.flatten(), fitted), lengths(column), fitted.length, PADDING, left=left)
        if column.null_count:
            fill = np.array(fitted.fill[: fitted.length], np.int32)
            line = np.full(fitted.length, PADDING, np.int32)
            line[fitted.length - len(fill) if left else 0 :][: len(fill)] = fill
            result[missing(column)] = line
        return result

    def decode(self, encoded: np.ndarray, fitted: SymbolFitted) -> pa.Array:
        """[N, T] codes -> [N] symbols joined by spaces."""
        return _joined(encoded, pa.array(fitted.vocabulary), PADDING)

    def shape(self, fitted: SymbolFitted) -> Shape:
        """Kind sequence."""
        return Shape("sequence", vocab_size=len(fitted.vocabulary), length=fitted.length, padding_code=PADDING)


class SetSymbolsColumn(SymbolsColumn):
    """Symbols whose order does not count; a value is encoded as its codes, in rising order."""

    blank_is_missing = False
    preprocessing: SetPreprocessingSpec
    is_distinct: bool
    """Whether a value has each symbol once."""

    def arranged(self, lists: pa.ListArray) -> pa.ListArray:
        """[N] lists -> the same in order of the symbols' names; each symbol once, where that is asked for."""
        if not self.is_distinct and self.strategy not in _BY_MODE:
            return lists
        symbols = lists.flatten()
        if not len(symbols):
            return lists
        ranks = pc.rank(symbols.dictionary, tiebreaker="dense").to_numpy().astype(np.int64)
        by_rank = np.empty(len(ranks), np.int32)
        by_rank[ranks - 1] = np.arange(len(ranks), dtype=np.int32)
        sizes = lengths(lists)
        rows = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
        places = rows * len(ranks) + ranks[symbols.indices.to_numpy()] - 1
        places = np.unique(places) if self.is_distinct else np.sort(places)
        ordered = pa.DictionaryArray.from_arrays(pa.array(by_rank[places % len(ranks)]), symbols.dictionary)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(places // len(ranks), minlength=len(sizes)))])
        whole = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), ordered)
        return _masked(whole, missing(lists) if lists.null_count else None)

    def fit(self, stats: SymbolStats) -> SymbolFitted:
        """The vocabulary (falling frequency, ties by name) and the number of codes of a value."""
        options = self.preprocessing
        symbols, counts = stats.symbols.most_common(options.most_common)
        fitted = SymbolFitted(
            vocabulary=("<PAD>", "<UNK>", *symbols),
            counts=(0, 0, *counts),
            rows=stats.rows,
            missing=stats.missing,
            longest=stats.longest,
            length=max(1, min(stats.longest, options.max_symbols or stats.longest)),
            fill=(UNKNOWN,),
        )
        fill = self.filling(stats, "<UNK>")
        if fill is None:
            return fitted
        codes = np.sort(_codes(fill, fitted))
        return fitted.model_copy(update={"fill": tuple((np.unique(codes) if self.is_distinct else codes).tolist())})

    def encode(self, column: pa.Array, fitted: SymbolFitted) -> np.ndarray:
        """[N] lists of symbols -> [N, T] int32: codes in rising order, the T most frequent, filled up with 0."""
        codes, sizes = _codes(column.flatten(), fitted).astype(np.int64), lengths(column)
        # The unknown one behind all others, so that it is the first to be cut off.
        last = len(fitted.vocabulary)
        places = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes) * (last + 1)
        places += np.where(codes == UNKNOWN, last, codes)
        # Symbols that are unknown are one and the same.
        places = np.unique(places) if self.is_distinct else np.sort(places)
        sizes = np.bincount(places // (last + 1), minlength=len(sizes))
        codes = places % (last + 1)
        result = padded(np.where(codes == last, UNKNOWN, codes).astype(np.int32), sizes, fitted.length, PADDING)
        if column.null_count:
            line = np.full(fitted.length, PADDING, np.int32)
            fill = np.array(fitted.fill[: fitted.length], np.int32)
            line[: len(fill)] = fill
            result[missing(column)] = line
        return result

    def decode(self, encoded: np.ndarray, fitted: SymbolFitted) -> pa.Array:
        """[N, T] codes -> [N] symbols joined by spaces."""
        return _joined(encoded, pa.array(fitted.vocabulary), PADDING)

    def shape(self, fitted: SymbolFitted) -> Shape:
        """Kind sequence, of symbols in no order."""
        return Shape("sequence", vocab_size=len(fitted.vocabulary), length=fitted.length, padding_code=PADDING)

    def warnings(self, fitted: SymbolFitted) -> list[str]:
        """A column without values; values of more symbols than are kept."""
        found = super().warnings(fitted)
        if fitted.longest > fitted.length:
            name, kept = self.spec.name, fitted.length
            found.append(f"{name}: values of up to {fitted.longest:,} symbols; {kept:,} are kept (max_symbols)")
        return found


def padded(codes: np.ndarray, sizes: np.ndarray, length: int, padding: float, *, left: bool = False) -> np.ndarray:
    """[M] codes, [N] how many each row has -> [N, length], the first of each row, on one side."""
    if sizes.max(initial=0) > length:
        places = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        codes, sizes = codes[places < length], np.minimum(sizes, length)
    result = np.full((len(sizes), length), padding, codes.dtype)
    places = np.arange(length, dtype=np.int32)
    ends = sizes.astype(np.int32)[:, None]
    result[places >= length - ends if left else places < ends] = codes
    return result


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists."""
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind))


def as_lists(array: pa.Array) -> pa.ListArray:
    """[N] lists of any kind -> [N] lists."""
    return array if pt.is_list(array.type) else array.cast(pa.list_(array.type.value_type))


def _codes(symbols: pa.DictionaryArray, fitted: SymbolFitted) -> np.ndarray:
    """[N] symbols -> [N] int32."""
    found = pc.index_in(symbols.dictionary, value_set=fitted.lookup).fill_null(UNKNOWN - FIRST_CODE)
    codes: np.ndarray = (found.to_numpy() + FIRST_CODE).astype(np.int32)[symbols.indices.to_numpy()]
    return codes


def _joined(encoded: np.ndarray, names: pa.Array, padding: int) -> pa.Array:
    kept = encoded != padding
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(encoded[kept])))
    return pc.binary_join(lists, " ")


def _encoded(lists: pa.ListArray, empty: np.ndarray | None) -> pa.ListArray:
    """[N] lists of texts -> [N] lists of a dictionary, null where `empty` [N] says so."""
    symbols = lists.flatten()
    symbols = symbols.dictionary_encode() if len(symbols) else pa.array([], DICTIONARY)
    return _masked(pa.ListArray.from_arrays(lists.offsets, symbols), empty)


def _masked(lists: pa.ListArray, empty: np.ndarray | None) -> pa.ListArray:
    if empty is None:
        return lists
    return pa.ListArray.from_arrays(lists.offsets, lists.values, mask=pa.array(empty))
