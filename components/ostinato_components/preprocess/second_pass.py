"""Second pass: canonical rows become encoded rows, gaps are filled from neighbours. N rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
import pyarrow as pa

from ostinato.column import Fitted
from ostinato.missing import fill_gaps, first_usable, last_usable
from ostinato_components.preprocess.rows import Feature, each_column
from ostinato_components.preprocess.sampling import Balance


class SecondPass:
    """Encodes the rows of one split, batch after batch."""

    def __init__(
        self,
        features: Sequence[Feature],
        fitted: Mapping[str, Fitted],
        batches: Callable[[], Iterator[pa.RecordBatch]],
        pool: Executor,
    ) -> None:
        self.features = features
        self.fitted = fitted
        self.batches = batches
        self.pool = pool
        self.missing: dict[str, int] = dict.fromkeys(fitted, 0)
        """By feature, missing values before they were filled."""
        self.dropped: dict[str, int] = {}
        """Training rows that were left out, by reason."""
        self._with_gaps = [
            index
            for index, feature in enumerate(features)
            if feature.column.gaps(pa.nulls(0, feature.column.arrow_type), fitted[feature.name]) is not None
        ]
        self._behind = {index: self._firsts_behind(index) for index in self._with_gaps}
        self._before = {index: pa.nulls(0, features[index].column.arrow_type) for index in self._with_gaps}

    def _firsts_behind(self, index: int) -> list[pa.Array]:
        """For each batch, the first usable value of the batches behind it, or nothing: one value a batch."""
        column, fitted = self.features[index].column, self.fitted[self.features[index].name]
        firsts = []
        for batch in self.batches():
            gaps = column.gaps(batch.column(index), fitted)
            assert gaps is not None, "asked for such columns only"
            # Copied, so that the value does not keep its whole batch in memory.
            firsts.append(pa.concat_arrays([first_usable(batch.column(index), gaps).cast(column.arrow_type)]))
        behind = [pa.nulls(0, column.arrow_type)]
        for first in reversed(firsts[1:]):
            behind.append(first if len(first) else behind[-1])
        return behind[::-1]

    def encoded(self, balance: Balance | None, drop: bool) -> Iterator[dict[str, np.ndarray]]:
        """[N] or [N, T] by feature; with `drop`, without the rows that no training should see."""
        for number, batch in enumerate(self.batches()):
            columns = batch.columns
            for index in self._with_gaps:
                columns[index] = self._filled(index, number, columns[index])
            if drop:
                columns = self._dropped(columns)
            for feature, column in zip(self.features, batch.columns, strict=True):
                self.missing[feature.name] += column.null_count
            if not len(columns[0]):
                continue
            arrays = each_column(self.pool, len(columns[0]), self._encode, self.features, columns)
            encoded = {feature.name: values for feature, values in zip(self.features, arrays, strict=True)}
            if balance is not None:
                places = balance.rows(encoded[balance.name])
                encoded = {name: values[places] for name, values in encoded.items()}
            yield encoded

    def _encode(self, feature: Feature, column: pa.Array) -> np.ndarray:
        return feature.column.encode(column, self.fitted[feature.name])

    def _filled(self, index: int, number: int, column: pa.Array) -> pa.Array:
        gaps = self.features[index].column.gaps(column, self.fitted[self.features[index].name])
        assert gaps is not None, "asked for such columns only"
        before = self._before[index]
        self._before[index] = pa.concat_arrays([last_usable(column, gaps, before)])
        return fill_gaps(column, gaps, before, self._behind[index][number])

    def _dropped(self, columns: list[pa.Array]) -> list[pa.Array]:
        keep = np.ones(len(columns[0]), bool)
        for feature, column in zip(self.features, columns, strict=True):
            drop = feature.column.drops(column, self.fitted[feature.name])
            if drop is not None and drop.any():
                kind = "rare class" if feature.is_output and feature.column.arrow_type != pa.float64() else "outlier"
                reason = f"{kind} in {feature.name} (training rows)"
                self.dropped[reason] = self.dropped.get(reason, 0) + int((drop & keep).sum())
                keep &= ~drop
        if keep.all():
            return columns
        mask = pa.array(keep)
        return [column.filter(mask) for column in columns]
