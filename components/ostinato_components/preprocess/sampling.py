"""Which rows take part: `sample_ratio`, `sample_size`, `oversample_minority`, `undersample_majority`. N rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ostinato.config import Config, GlobalPreprocessingSpec
from ostinato.errors import ConfigError, Problem
from ostinato.sample import even_fractions, kth_lowest, row_hashes, stream_key
from ostinato.shape import Shape
from ostinato.spec import Spec

_CHUNK = 1 << 16


class Sampling(Spec):
    """A share of the rows, or at most so many; decided by seed and row number alone."""

    key: int
    """Start of the random numbers."""
    ratio: float = 1.0
    """Share of the rows."""
    highest: int | None = None
    """Hash of the last row that is taken, None where the share decides."""

    def keep(self, start: int, length: int) -> np.ndarray:
        """[length] bool for the rows from number `start` on."""
        if self.highest is not None:
            kept: np.ndarray = row_hashes(self.key, np.arange(start, start + length)) <= np.uint64(self.highest)
            return kept
        return even_fractions(self.key, start, length) < self.ratio

    def count(self, start: int, length: int) -> int:
        """How many of the rows from number `start` on are taken."""
        starts = range(start, start + length, _CHUNK)
        return sum(int(self.keep(at, min(_CHUNK, start + length - at)).sum()) for at in starts)


def sampling(spec: GlobalPreprocessingSpec, count_rows: Callable[[], int], seed: int) -> Sampling | None:
    """What the config says; None where all rows are used. Asks for the number of rows only for `sample_size`."""
    key = stream_key(seed, "sample")
    if spec.sample_size is None:
        return Sampling(key=key, ratio=spec.sample_ratio) if spec.sample_ratio < 1 else None
    total = count_rows()
    if total <= spec.sample_size:
        return None

    def hashes() -> Iterator[np.ndarray]:
        for start in range(0, total, _CHUNK):
            yield row_hashes(key, np.arange(start, min(start + _CHUNK, total)))

    return Sampling(key=key, highest=kth_lowest(hashes, spec.sample_size - 1))


@dataclass(frozen=True)
class Balance:
    """How often each training row is written, so that the minority class is as frequent as asked for.

    Classes are those of the only output, which has two. A row's number among those of its class decides.
    """

    name: str
    """The output."""
    repeats: tuple[float, float]
    """How often a row of class 0 and of class 1 is written, on average."""
    keys: tuple[int, int]
    """Start of the random numbers of each class."""

    def times(self, targets: np.ndarray, seen: list[int]) -> np.ndarray:
        """[N] classes of the next rows -> [N] how often to write each; `seen` counts the rows of each class before."""
        times = np.ones(len(targets), np.int64)
        for code, (repeats, key) in enumerate(zip(self.repeats, self.keys, strict=True)):
            mine = np.flatnonzero(targets == code)
            times[mine] = int(repeats) + (even_fractions(key, seen[code], len(mine)) < repeats % 1)
            seen[code] += len(mine)
        return times

    def growth(self, counts: tuple[int, ...]) -> float:
        """Rows written for each row read, by the rows of each class."""
        return sum(count * repeats for count, repeats in zip(counts, self.repeats, strict=True)) / max(1, sum(counts))


def balance(config: Config, shapes: dict[str, Shape], seed: int) -> Balance | None:
    """What the config says of training rows; None where each is written once.

    Raises:
        ConfigError: both options at once, or not exactly one output with two classes.
    """
    spec = config.preprocessing
    if spec.oversample_minority is None and spec.undersample_majority is None:
        return None
    problems = []
    key = "preprocessing.oversample_minority" if spec.oversample_minority else "preprocessing.undersample_majority"
    if spec.oversample_minority is not None and spec.undersample_majority is not None:
        problems.append(
            Problem("preprocessing", "has both oversample_minority and undersample_majority", "one of them")
        )
    outputs = [output.name for output in config.output_features]
    if len(outputs) != 1 or len(shapes[outputs[0]].class_counts) != 2:
        problems.append(Problem(key, "needs exactly one output feature, and two classes of it"))
    if problems:
        raise ConfigError(problems)
    counts = shapes[outputs[0]].class_counts
    minority = int(counts[1] < counts[0])
    few, many = counts[minority], counts[1 - minority]
    repeats = [1.0, 1.0]
    if spec.oversample_minority is not None:
        repeats[minority] = max(spec.oversample_minority * many / few, 1.0)
    elif spec.undersample_majority is not None:
        repeats[1 - minority] = min(few / (spec.undersample_majority * many), 1.0)
    keys = stream_key(seed, "balance:0"), stream_key(seed, "balance:1")
    return Balance(outputs[0], (repeats[0], repeats[1]), keys)
