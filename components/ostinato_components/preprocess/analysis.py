"""First pass: each row goes to its part of the split, and the training rows are analyzed. N rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ostinato.ahead import made_ahead
from ostinato.artifacts import SPLIT_NAMES
from ostinato.batches import Source
from ostinato.column import Stats
from ostinato.config import Config
from ostinato.sample import RowNumbers
from ostinato.split.data import RESERVE, TRAINING
from ostinato_components.preprocess.plan import source_of
from ostinato_components.preprocess.rows import (
    Feature,
    Findings,
    Rows,
    Work,
    each_column,
    features_of,
    give_back_memory,
    read_rows,
)
from ostinato_components.preprocess.spill import Spill, SpillWriter

KINDS = (*SPLIT_NAMES, "reserve")
"""Names of the parts of a split, by their number."""
_ANALYZED = (TRAINING, RESERVE)
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Analyzed:
    """What the first pass found in a part, and where it left the rows."""

    findings: Findings
    stats: Mapping[int, Sequence[Stats]]
    """Of the rows that may train, by part of the split and feature."""
    spills: tuple[Spill, ...]
    """By part of the split."""

    def to_json(self) -> dict[str, Any]:
        """A value that `json` can write and `from_json` reads back exactly."""
        return {
            "findings": self.findings.to_json(),
            "stats": {KINDS[kind]: [one.to_json() for one in stats] for kind, stats in self.stats.items()},
            "spills": [spill.model_dump(mode="json") for spill in self.spills],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], config: Config) -> Analyzed:
        """The inverse of `to_json`."""
        types = [feature.column.stats_type for feature in features_of(config)]
        stats = {
            KINDS.index(kind): [one.from_json(found) for one, found in zip(types, mine, strict=True)]
            for kind, mine in value["stats"].items()
        }
        spills = tuple(Spill.model_validate(spill, strict=False) for spill in value["spills"])
        return cls(Findings.from_json(value["findings"]), stats, spills)


def spill_name(number: int, kind: str) -> str:
    """Name of the file of a part's rows of one of KINDS."""
    return f"part-{number:05d}-{kind}.arrow"


def analyze(work: Work, number: int, sources: Mapping[str, Source]) -> Analyzed:
    """Reads the part of that number, and leaves its canonical rows in the folder.

    Raises:
        DataError: the source or its values are wrong.
    """
    part, features = work.plan.parts[number], features_of(work.config)
    writers = [SpillWriter(work.folder / spill_name(number, kind), number) for kind in KINDS]
    found = _FirstPass(features, writers, _balanced(work.config))
    for rows in made_ahead(read_rows(work, part, source_of(part, sources), found.findings)):
        found.add(rows, work.pool)
        give_back_memory()
    return Analyzed(found.findings, found.stats, tuple(writer.close() for writer in found.writers))


def _balanced(config: Config) -> int | None:
    """Place of the target whose classes are balanced; None where none are."""
    options = config.preprocessing
    wanted = options.oversample_minority is not None or options.undersample_majority is not None
    return len(config.input_features) if wanted else None


class _FirstPass:
    """Writes rows to their parts of the split, and analyzes those that may train."""

    def __init__(self, features: Sequence[Feature], writers: Sequence[SpillWriter], balanced: int | None) -> None:
        self.features = features
        self.balanced = balanced
        self.findings = Findings()
        self.writers = writers
        self.stats: dict[int, list[Stats]] = {
            kind: [feature.column.stats_type() for feature in features] for kind in _ANALYZED
        }

    def add(self, rows: Rows, pool: Executor) -> None:
        """Takes the next rows."""
        length = len(rows.parts)
        present = [kind for kind in range(len(KINDS)) if (rows.parts == kind).any()]
        places = {kind: np.flatnonzero(rows.parts == kind) for kind in present}
        numbers = {kind: RowNumbers(rows.numbers[places[kind]]) for kind in present if kind in _ANALYZED}

        def distribute(index: int) -> dict[int, pa.Array]:
            column, whole = self.features[index].column, rows.columns[index]
            pieces = {
                kind: whole if len(rows_of) == length else whole.take(pa.array(rows_of))
                for kind, rows_of in places.items()
            }
            for kind, mine in numbers.items():
                self.stats[kind][index] = self.stats[kind][index].merge(column.analyze(pieces[kind], mine))
            return pieces

        pieces = list(each_column(pool, length, distribute, range(len(self.features))))
        for kind in present:
            columns = [piece[kind] for piece in pieces]
            self.writers[kind].write(columns, self._classes(columns) if kind in _ANALYZED else {})

    def _classes(self, columns: Sequence[pa.Array]) -> dict[str, int]:
        """How often each value of the balanced target occurs; nothing where they are no classes."""
        if self.balanced is None or not pa.types.is_dictionary(columns[self.balanced].type):
            return {}
        counts = pc.value_counts(columns[self.balanced].cast(pa.string()).drop_null())
        if len(counts) > _MOST_CLASSES:
            return {}  # too many to balance, which an error will say
        return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
