"""First pass: each row goes to its part, and the training rows are analyzed. N rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from ostinato.artifacts import SPLIT_NAMES, SplitName
from ostinato.column import Fitted, Stats
from ostinato.errors import DataError, Problem
from ostinato.split.data import RESERVE, RESERVE_SHARE, TRAINING, VALIDATION, DatetimeSplit
from ostinato_components.preprocess.rows import Feature, Findings, Part, Rows, each_column, read_rows
from ostinato_components.preprocess.spill import Spill

_PARTS = (*SPLIT_NAMES, "reserve")


class FirstPass:
    """Canonical rows on disk by part, and statistics of the training rows."""

    def __init__(self, features: Sequence[Feature], folder: Path, pool: Executor) -> None:
        self.features = features
        self.folder = folder
        self.pool = pool
        self.findings = Findings()
        self.warnings: list[str] = []
        self.schema = pa.schema([(f"f{place}", feature.column.arrow_type) for place, feature in enumerate(features)])
        self.spills = [Spill(folder / f"{name}.arrow", self.schema) for name in _PARTS]
        self.stats: dict[int, list[Stats]] = {
            part: [feature.column.stats_type() for feature in features] for part in (TRAINING, RESERVE)
        }

    def read(self, part: Part) -> None:
        """Reads a source to its end.

        Raises:
            DataError: the source or its values are wrong.
        """
        rows = read_rows(part, self.features, self.findings, self.pool)
        for some in self._timed(rows, part.split) if isinstance(part.split, DatetimeSplit) else rows:
            self._add(some, part.split.assign(some.by, some.length))

    def _timed(self, rows: Iterable[Rows], split: DatetimeSplit) -> Iterator[Rows]:
        """The same rows once all of them have been seen and the split by time is known."""
        spill = Spill(self.folder / "timed.arrow", self.schema.append(pa.field("time", pa.float64())))
        for some in rows:
            assert some.by is not None, "datetime reads a column"
            spill.write([*some.columns, some.by])
        spill.close()
        split.measure(lambda: (batch.column(len(self.features)) for batch in spill.batches()), spill.rows)
        for batch in spill.batches():
            columns = batch.columns
            yield Rows(tuple(columns[:-1]), columns[-1], batch.num_rows)

    def _add(self, rows: Rows, parts: np.ndarray) -> None:
        """Writes rows to their parts, and analyzes those that may train."""
        present = [part for part in range(len(_PARTS)) if (parts == part).any()]
        places = {part: pa.array(np.flatnonzero(parts == part)) for part in present}

        def distribute(index: int) -> dict[int, pa.Array]:
            column, whole = self.features[index].column, rows.columns[index]
            pieces = {
                part: whole if len(rows_of) == rows.length else whole.take(rows_of) for part, rows_of in places.items()
            }
            for part in (TRAINING, RESERVE):
                if part in pieces:
                    # Rows in reserve have numbers of their own, far from those of the others.
                    start = self.spills[part].rows + (1 << 60) * (part == RESERVE)
                    stats = column.analyze(pieces[part], start)
                    self.stats[part][index] = self.stats[part][index].merge(stats)
            return pieces

        pieces = each_column(self.pool, rows.length, distribute, range(len(self.features)))
        for part in present:
            self.spills[part].write([piece[part] for piece in pieces])

    def close(self) -> None:
        """Ends the pass: decides what becomes of the rows in reserve.

        Raises:
            DataError: there are no training rows.
        """
        for spill in self.spills:
            spill.close()
        if self.spills[VALIDATION].rows:
            self.stats[TRAINING] = [
                mine.merge(reserve) for mine, reserve in zip(self.stats[TRAINING], self.stats[RESERVE], strict=True)
            ]
        elif self.spills[RESERVE].rows:
            self.warnings.append(
                f"no validation rows given: {RESERVE_SHARE:.0%} of the training rows "
                f"({self.spills[RESERVE].rows:,}) were set aside for validation"
            )
        if not self.findings.read:
            raise DataError(Problem("dataset", "has no rows: a header and nothing behind it"))
        if not self.rows("training"):
            reasons = "; ".join(f"{reason}: {count:,}" for reason, count in self.findings.dropped.items() if count)
            found = f"{self.findings.read:,} rows were read" + (f", left out: {reasons}" if reasons else "")
            raise DataError(Problem("", f"no training rows: {found}", hint="check the split and the targets"))

    def batches(self, split: SplitName) -> Iterator[pa.RecordBatch]:
        """Canonical rows of a split, in the order of the file (those that came back from the reserve last)."""
        return chain.from_iterable(spill.batches() for spill in self._of(split))

    def rows(self, split: SplitName) -> int:
        """Number of rows of a split."""
        return sum(spill.rows for spill in self._of(split))

    def _of(self, split: SplitName) -> list[Spill]:
        mine, reserve = self.spills[SPLIT_NAMES.index(split)], self.spills[RESERVE]
        gets_reserve = "training" if self.spills[VALIDATION].rows else "validation"
        return [mine, reserve] if split == gets_reserve else [mine]

    def fit(self) -> dict[str, Fitted]:
        """By feature, what encoding needs; tied inputs share the statistics of all of them.

        Raises:
            DataError: nothing can be learned from some columns; all of them are named.
        """
        groups: dict[str, list[int]] = {}
        roots = {feature.name: feature.tied for feature in self.features}
        for index, feature in enumerate(self.features):
            root = feature.name
            while (further := roots.get(root)) is not None:
                root = further
            groups.setdefault(root, []).append(index)
        fitted: dict[str, Fitted] = {}
        problems: list[Problem] = []
        for indices in groups.values():
            stats = self.stats[TRAINING][indices[0]]
            for index in indices[1:]:
                stats = stats.merge(self.stats[TRAINING][index])
            for index in indices:
                feature = self.features[index]
                try:
                    fitted[feature.name] = feature.column.fit(stats)
                except DataError as error:
                    problems.extend(error.problems)
        if problems:
            raise DataError(problems)
        return {feature.name: fitted[feature.name] for feature in self.features}
