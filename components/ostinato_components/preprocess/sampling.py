"""How often training rows are written: `oversample_minority`, `undersample_majority`. N rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ostinato.config import Config
from ostinato.errors import ConfigError, Problem
from ostinato.sample import even_fractions, stream_key
from ostinato.shape import Shape


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
    has_two = [shapes[name].kind in ("binary", "code") and len(shapes[name].classes) == 2 for name in outputs]
    if has_two != [True]:
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
