"""Which part each row belongs to, batch after batch in the order of the file. N rows.

A row's number is that among the sampled rows, before any is left out. No assignment depends on the size of the
batches. Memory: none a row; `stratify` keeps a count for each value.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ostinato.errors import DataError, Problem, listing
from ostinato.labels import DICTIONARY, labels
from ostinato.registry import implementation, implements
from ostinato.sample import even_fractions, kth_lowest, sortable, stream_key, text_hashes
from ostinato.split.spec import (
    DatetimeSplitSpec,
    FixedSplitSpec,
    HashSplitSpec,
    ProportionalSplitSpec,
    RandomSplitSpec,
    SplitSpec,
    StratifySplitSpec,
)
from ostinato.times import times

TRAINING, VALIDATION, TEST, RESERVE, NOWHERE = range(5)
"""Parts. RESERVE: training rows that become validation rows if there are none; NOWHERE: rows that can't be used."""

RESERVE_SHARE = 0.15
MAX_STRATA = 10_000
_CHUNK = 1 << 20

_WORDS = {
    **dict.fromkeys(("0", "training", "train"), TRAINING),
    **dict.fromkeys(("1", "validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("2", "test", "testing"), TEST),
}


class Split(ABC):
    """Assigns rows; called with the batches of a data set in their order."""

    column: str | None = None
    """Column of the data that `assign` reads."""
    column_type: ClassVar[pa.DataType | None] = None
    """Type that a reader of text should aim at; None for whatever it finds."""
    remembers: ClassVar[bool] = False
    """Whether a row's part depends on the values of the rows before it."""

    def __init__(self) -> None:
        self.state: dict[str, int] = {}
        """What it knows of other rows than the next ones; whoever begins in the middle of the data sets it."""

    @abstractmethod
    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Values of `column` of the next rows, [N] of any type, number of the first, and N -> [N] int8 of parts.

        Raises:
            DataError: the values can't tell the part.
        """


def splitter(spec: SplitSpec, seed: int) -> Split:
    """What assigns rows as the spec says."""
    split: Split = implementation(type(spec), "data")(spec, seed)
    return split


def _parts(fractions: np.ndarray, spec: ProportionalSplitSpec) -> np.ndarray:
    """[N] in [0, 1) -> [N] parts."""
    training, validation, _ = spec.probabilities
    bounds = np.array([training, round(training + validation, 12)])
    return np.searchsorted(bounds, fractions, side="right").astype(np.int8)


@implements(RandomSplitSpec, "data")
class RandomSplit(Split):
    """Shuffles each ten rows, so that the parts are as large as asked for, to a row or two."""

    def __init__(self, spec: RandomSplitSpec, seed: int) -> None:
        super().__init__()
        self.spec = spec
        self.key = stream_key(seed, "split")

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> parts, by seed and row number."""
        return _parts(even_fractions(self.key, start, length), self.spec)


@implements(StratifySplitSpec, "data")
class StratifySplit(Split):
    """As `RandomSplit`, among the rows of each value on their own; the first row of each value trains."""

    column_type: ClassVar[pa.DataType | None] = DICTIONARY
    remembers: ClassVar[bool] = True

    def __init__(self, spec: StratifySplitSpec, seed: int) -> None:
        super().__init__()
        self.spec, self.seed, self.column = spec, seed, spec.column

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> parts, by seed, value and number among the rows of that value."""
        assert values is not None, "stratify reads a column"
        texts = labels(values, self.spec.column)
        # Missing values are a value of their own, whose name no text has.
        names = [*(f":{text}" for text in texts.dictionary.to_pylist()), ""]
        codes = texts.indices.fill_null(len(names) - 1).to_numpy()
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        parts = np.empty(length, np.int8)
        for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
            name = names[code]
            done = self.state.get(name, 0)
            key = stream_key(self.seed, f"stratify{name}")
            parts[rows] = _parts(even_fractions(key, done, len(rows)), self.spec)
            self.state[name] = done + len(rows)
        if len(self.state) > MAX_STRATA:
            message = f"has more than {MAX_STRATA:,} values: too many to stratify"
            raise DataError(Problem(self.spec.column, message, hint="use the split 'hash' or 'random'"))
        return parts


@implements(HashSplitSpec, "data")
class HashSplit(Split):
    """By a hash of the value's text, without the seed: equal values stay together, today and as the data grows."""

    column_type: ClassVar[pa.DataType | None] = DICTIONARY

    def __init__(self, spec: HashSplitSpec, seed: int) -> None:
        super().__init__()
        self.spec, self.column = spec, spec.column

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> parts; missing values belong together."""
        assert values is not None, "hash reads a column"
        texts = labels(values, self.spec.column)
        hashes = text_hashes(pa.concat_arrays([texts.dictionary, pa.array([""])]))
        fractions = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
        codes = texts.indices.fill_null(len(hashes) - 1).to_numpy()
        parts: np.ndarray = _parts(fractions, self.spec)[codes]
        return parts


@implements(FixedSplitSpec, "data")
class FixedSplit(Split):
    """As the column says."""

    column_type: ClassVar[pa.DataType | None] = DICTIONARY
    remembers: ClassVar[bool] = True

    def __init__(self, spec: FixedSplitSpec, seed: int) -> None:
        super().__init__()
        self.spec, self.column = spec, spec.column
        self.training = TrainingOnly(seed)

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> parts; 15 % of the training rows are in reserve, in case no row is for validation."""
        assert values is not None, "fixed reads a column"
        texts = labels(values, self.spec.column, lowercase=True)
        present = set(texts.drop_null().unique().to_pylist())
        wrong = sorted(present - _WORDS.keys())
        if wrong or texts.null_count:
            found = [repr(value) for value in wrong] + ["missing values"] * bool(texts.null_count)
            raise DataError(
                Problem(
                    self.spec.column,
                    f"tells the part of each row, but holds {listing(found, 5)}",
                    "0 or training, 1 or validation, 2 or test",
                    "for a split at random write preprocessing: {split: {type: random}}",
                )
            )
        codes = np.array([_WORDS.get(value or "", NOWHERE) for value in texts.dictionary.to_pylist()], np.int8)
        parts: np.ndarray = codes[texts.indices.to_numpy()]
        training = parts == TRAINING
        done, rows = self.state.get("training", 0), int(training.sum())
        parts[training] = self.training.assign(None, done, rows)
        self.state["training"] = done + rows
        return parts


class TrainingOnly(Split):
    """All rows train, but for 15 % in reserve."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.key = stream_key(seed, "reserve")

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> TRAINING or RESERVE, by seed and row number."""
        fractions = even_fractions(self.key, start, length)
        return np.where(fractions < 1 - RESERVE_SHARE, TRAINING, RESERVE).astype(np.int8)


class Always(Split):
    """All rows belong to one part: those of a ready-made file."""

    def __init__(self, part: int) -> None:
        super().__init__()
        self.part = part

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Next rows -> the part."""
        return np.full(length, self.part, np.int8)


@implements(DatetimeSplitSpec, "data")
class DatetimeSplit(Split):
    """The oldest rows train, the newest test; rows of the same time stay together, with the older ones.

    Needs two passes: `measure` over all rows, then `assign` with the times as the column.
    """

    def __init__(self, spec: DatetimeSplitSpec, seed: int) -> None:
        super().__init__()
        self.spec, self.column = spec, spec.column

    def times(self, values: pa.Array) -> pa.Array:
        """[N] of any type -> [N] float64 that rise with time; null where there is no time."""
        numbers = times(values, self.spec.column)
        return pa.array(numbers, mask=np.isnan(numbers))

    def measure(self, chunks: Callable[[], Iterable[np.ndarray]], rows: int) -> None:
        """Finds the bounds, exact, whatever the number of rows; `rows` is that of all chunks of times.

        Raises:
            DataError: there is no time at all.
        """
        if not rows:
            raise DataError(Problem(self.spec.column, "holds no times: can't split by time"))
        training, validation, _ = self.spec.probabilities
        ends = (training * rows, round(training + validation, 12) * rows)
        ranks = [min(max(round(end), 1), rows) - 1 for end in ends]
        bounds = [kth_lowest(lambda: (sortable(chunk) for chunk in chunks()), rank) for rank in ranks]
        self.state = dict(zip(("training", "validation"), bounds, strict=True))

    def measure_all(self, values: Iterable[pa.Array]) -> None:
        """`measure` over the column in chunks; on the way the times lie on disk, eight bytes each."""
        with tempfile.TemporaryFile() as file:
            for some in values:
                file.write(self.times(some).drop_null().to_numpy().tobytes())
            rows = file.tell() // 8

            def chunks() -> Iterator[np.ndarray]:
                file.seek(0)
                while len(chunk := file.read(8 * _CHUNK)):
                    yield np.frombuffer(chunk, np.float64)

            self.measure(chunks, rows)

    def assign(self, values: pa.Array | None, start: int, length: int) -> np.ndarray:
        """Times of the next rows, as `times` gives them -> parts; a row without one is NOWHERE."""
        assert values is not None, "datetime reads a column"
        bounds = np.array([self.state["training"], self.state["validation"]], np.uint64)
        numbers = values.to_numpy(zero_copy_only=False)
        parts = np.searchsorted(bounds, sortable(numbers), side="left").astype(np.int8)
        parts[np.isnan(numbers)] = NOWHERE
        return parts
