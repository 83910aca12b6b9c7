"""Second pass: canonical rows become shards of encoded rows, gaps are filled from neighbours. N rows.

A shard holds the rows that come of a fixed stretch of a split's rows, so that each can be made on its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ostinato.ahead import made_ahead
from ostinato.artifacts import SPLIT_NAMES, Shard, SplitName
from ostinato.column import Fitted
from ostinato.labels import labels
from ostinato.missing import fill_gaps, first_usable, last_usable
from ostinato.spec import Spec
from ostinato_components.preprocess.merging import Merged
from ostinato_components.preprocess.rows import Feature, Work, each_column, features_of, give_back_memory
from ostinato_components.preprocess.sampling import Balance, balance
from ostinato_components.preprocess.shards import ROW_GROUP, write_shard
from ostinato_components.preprocess.spill import SpilledRows


class SplitFound(Spec):
    """What encoding found in rows of a split."""

    missing: dict[str, int] = {}
    """By feature, values that were missing before they were filled."""
    unknown: dict[str, int] = {}
    """By output, rows whose class no training row has."""
    dropped: dict[str, int] = {}
    """Training rows that were left out, by reason."""

    def __add__(self, other: SplitFound) -> SplitFound:
        return SplitFound(**{name: _sum(getattr(self, name), getattr(other, name)) for name in type(self).model_fields})


class Encoded(Spec):
    """Shards, and what was found on the way."""

    shards: dict[SplitName, tuple[Shard, ...]] = {}
    """By split, in order."""
    found: dict[SplitName, SplitFound] = {}
    """By split."""

    def __add__(self, other: Encoded) -> Encoded:
        """These and others behind them."""
        return Encoded(
            shards={split: self.shards.get(split, ()) + other.shards.get(split, ()) for split in SPLIT_NAMES},
            found={
                split: self.found.get(split, SplitFound()) + other.found.get(split, SplitFound())
                for split in SPLIT_NAMES
            },
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in dict.fromkeys((*one, *other))}


def encode(
    work: Work, merged: Merged, spills: str, deliver: Callable[[Path], None], share: tuple[int, int] = (0, 1)
) -> Encoded:
    """Makes shards: all of them, or the n-th of m shares.

    Args:
        work: what to do, and where.
        merged: what the columns were fitted to.
        spills: path or URI of the folder with the spills.
        deliver: told of each shard that is whole.
        share: n and m.
    """
    plan, config, features = work.plan, work.config, features_of(work.config)
    shapes = {feature.name: feature.column.shape(merged.fitted[feature.name]) for feature in features}
    balanced = balance(config, shapes, plan.seed)
    classes = [output.name for output in config.output_features if shapes[output.name].kind in ("binary", "code")]
    encoded = Encoded()
    todo: list[tuple[SplitName, int, int, int]] = []
    for split in SPLIT_NAMES:
        growth = balanced.growth(shapes[balanced.name].class_counts) if balanced and split == "training" else 1.0
        # A shard of balanced rows shall have about as many as any other.
        step = max(1, int(plan.shard_rows / growth))
        rows = sum(spill.rows for spill in merged.spills[split])
        todo += [(split, number, at, min(at + step, rows)) for number, at in enumerate(range(0, rows, step))]
    mine = todo[len(todo) * share[0] // share[1] : len(todo) * (share[0] + 1) // share[1]]
    for split, number, first, stop in mine:
        rows_of = SpilledRows(spills, merged.spills[split])
        is_training = split == "training"
        second = _SecondPass(features, merged.fitted, rows_of, balanced if is_training else None, is_training, classes)
        path = work.folder / f"{split}-{number:05d}.parquet"
        shard = write_shard(path, second.encoded(first, stop, work.pool), min(ROW_GROUP, plan.shard_rows))
        if shard is not None:
            deliver(path)
        found = SplitFound(missing=second.missing, unknown=second.unknown, dropped=dict(second.dropped))
        encoded += Encoded(shards={split: () if shard is None else (shard,)}, found={split: found})
    return encoded


@dataclass
class _SecondPass:
    """Encodes rows of one split, and counts what it finds."""

    features: Sequence[Feature]
    fitted: Mapping[str, Fitted]
    rows: SpilledRows
    balanced: Balance | None
    drop: bool
    """Whether rows that no training should see are left out."""
    classes: Sequence[str]
    """Outputs with classes."""
    missing: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.missing = dict.fromkeys(self.fitted, 0)
        self.unknown = dict.fromkeys(self.classes, 0)
        self.with_gaps = [
            index
            for index, feature in enumerate(self.features)
            if feature.column.gaps(pa.nulls(0, feature.column.canonical_type), self.fitted[feature.name]) is not None
        ]

    def encoded(self, first: int, stop: int, pool: Executor) -> Iterator[dict[str, np.ndarray]]:
        """[N] or [N, T] by feature, of the rows from one number to another."""
        seen = self._seen(first)
        # One column may be most of the work: the next rows are begun before these are done.
        for columns, arrays in made_ahead(self._begun(first, stop, pool)):
            encoded = {feature.name: values for feature, values in zip(self.features, arrays, strict=True)}
            times = self._times(columns, encoded, seen)
            if times is not None:
                places = np.repeat(np.arange(len(times)), times)
                encoded = {name: values[places] for name, values in encoded.items()}
            for name in self.classes:
                self.unknown[name] += int(np.count_nonzero(encoded[name] < 0))
            yield encoded
            give_back_memory()

    def _begun(
        self, first: int, stop: int, pool: Executor
    ) -> Iterator[tuple[Sequence[pa.Array], Iterator[np.ndarray]]]:
        """Canonical columns without gaps, and what comes of them."""
        for start, batch in self.rows.between(first, stop):
            columns = batch.columns
            for feature, column in zip(self.features, columns, strict=True):
                self.missing[feature.name] += column.null_count
            for index in self.with_gaps:
                columns[index] = self._filled(index, columns[index], start)
            yield columns, each_column(pool, batch.num_rows, self._encode, self.features, columns)

    def _encode(self, feature: Feature, column: pa.Array) -> np.ndarray:
        return feature.column.encode(column, self.fitted[feature.name])

    def _times(
        self, columns: Sequence[pa.Array], encoded: Mapping[str, np.ndarray], seen: list[int]
    ) -> np.ndarray | None:
        """[N] how often each row is written; None for once each."""
        times = None if self.balanced is None else self.balanced.times(encoded[self.balanced.name], seen)
        if not self.drop:
            return times
        keep = np.ones(len(columns[0]), bool)
        for feature, column in zip(self.features, columns, strict=True):
            drop = feature.column.drops(column, self.fitted[feature.name])
            if drop is not None and drop.any():
                kind = "rare class" if feature.is_output and feature.column.arrow_type != pa.float64() else "outlier"
                self.dropped[f"{kind} in {feature.name} (training rows)"] += int((drop & keep).sum())
                keep &= ~drop
        if keep.all():
            return times
        return keep.astype(np.int64) if times is None else times * keep

    def _seen(self, first: int) -> list[int]:
        """How many rows of each of two classes come before a row."""
        counts = [0, 0]
        if self.balanced is None:
            return counts
        place = next(place for place, one in enumerate(self.features) if one.name == self.balanced.name)
        target = self.features[place]
        for (_, frame), start in zip(self.rows.frames, self.rows.starts, strict=False):
            if start + frame.rows <= first:
                values, times = list(frame.classes), list(frame.classes.values())
                codes = self._encode(target, labels(pa.array(values, pa.string()), target.name))
            else:
                codes = (
                    np.empty(0)
                    if start >= first
                    else self._encode(target, next(batch for _, batch in self.rows.between(start, first)).column(place))
                )
                times = [1] * len(codes)
            for code in (0, 1):
                counts[code] += int(np.sum(np.asarray(times)[codes == code]))
        return counts

    def _filled(self, index: int, column: pa.Array, start: int) -> pa.Array:
        """A piece of a column, whose first row has the number `start`, with its gaps filled."""
        feature = self.features[index]
        gaps = feature.column.gaps(column, self.fitted[feature.name])
        assert gaps is not None, "asked for such columns only"
        if not (gaps.forward.any() or gaps.backward.any()):
            return column
        before, behind = self._neighbour(index, start, -1), self._neighbour(index, start + len(column), 1)
        return fill_gaps(column, gaps, before, behind)

    def _neighbour(self, index: int, row: int, step: int) -> pa.Array:
        """The nearest usable value before a row (step -1), or from it on (step 1); or nothing."""
        feature, starts = self.features[index], self.rows.starts
        place = int(np.searchsorted(starts, row, side="right")) - 1
        if step < 0 and place < len(self.rows.frames) and starts[place] == row:
            place -= 1
        while 0 <= place < len(self.rows.frames):
            if index not in self.rows.frames[place][1].empty:
                column = self.rows.frame(place).column(index)
                cut = row - starts[place]
                column = column.slice(0, max(0, cut)) if step < 0 else column.slice(max(0, cut))
                gaps = feature.column.gaps(column, self.fitted[feature.name])
                assert gaps is not None, "asked for such columns only"
                nothing = column.slice(0, 0)
                found = last_usable(column, gaps, nothing) if step < 0 else first_usable(column, gaps)
                if len(found):
                    return found
            place += step
        return pa.nulls(0, feature.column.canonical_type)
