"""Which rows take part in anything: `sample_ratio`, `sample_size`. N rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ostinato.config import GlobalPreprocessingSpec
from ostinato.sample import even_fractions, kth_lowest, row_hashes, stream_key
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
