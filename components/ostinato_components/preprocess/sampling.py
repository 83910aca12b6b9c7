"""Which rows take part: `sample_ratio`, `sample_size`, `oversample_minority`, `undersample_majority`. N rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ostinato.batches import Source
from ostinato.config import Config, GlobalPreprocessingSpec
from ostinato.errors import ConfigError, Problem
from ostinato.sample import even_fractions, kth_lowest, row_hashes, stream_key
from ostinato.shape import Shape

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Sampling:
    """A share of the rows, or at most so many; decided by seed and row number alone."""

    key: int
    ratio: float = 1.0
    highest: int | None = None
    """Hash of the last row that is taken, None where all are."""

    def keep(self, start: int, length: int) -> np.ndarray:
        """[length] bool for the rows from number `start` on."""
        if self.highest is not None:
            kept: np.ndarray = row_hashes(self.key, np.arange(start, start + length)) <= np.uint64(self.highest)
            return kept
        return even_fractions(self.key, start, length) < self.ratio


def sampling(spec: GlobalPreprocessingSpec, source: Source, seed: int) -> Sampling | None:
    """What the config says of this source; None where all rows are used. Counts the rows for `sample_size`."""
    key = stream_key(seed, "sample")
    if spec.sample_size is None:
        return Sampling(key, spec.sample_ratio) if spec.sample_ratio < 1 else None
    total = sum(batch.num_rows for batch in source.batches(source.column_names()[:1]))
    if total <= spec.sample_size:
        return None

    def hashes() -> Iterator[np.ndarray]:
        for start in range(0, total, _CHUNK):
            yield row_hashes(key, np.arange(start, min(start + _CHUNK, total)))

    return Sampling(key, highest=kth_lowest(hashes, spec.sample_size - 1))


class Balance:
    """How often each training row is written, so that the minority class is as frequent as asked for.

    Classes are those of the only output, which has two. A row's number among those of its class decides.
    """

    def __init__(self, name: str, repeats: tuple[float, float], seed: int) -> None:
        self.name = name
        self.repeats = repeats
        """Of class 0 and 1."""
        self.keys = (stream_key(seed, "balance:0"), stream_key(seed, "balance:1"))
        self.seen = [0, 0]

    def rows(self, targets: np.ndarray) -> np.ndarray:
        """[N] classes of the next rows -> places of the rows to write, rising, repeated rows one after the other."""
        times = np.ones(len(targets), np.int64)
        for code, (repeats, key) in enumerate(zip(self.repeats, self.keys, strict=True)):
            mine = np.flatnonzero(targets == code)
            extra = even_fractions(key, self.seen[code], len(mine)) < repeats % 1
            times[mine] = int(repeats) + extra
            self.seen[code] += len(mine)
        return np.repeat(np.arange(len(targets)), times)


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
    return Balance(outputs[0], (repeats[0], repeats[1]), seed)
