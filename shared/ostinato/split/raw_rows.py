"""The raw rows that a split set aside for testing, as preprocessing chose them. N rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from ostinato.batches import Source
from ostinato.config import GlobalPreprocessingSpec
from ostinato.split.data import TEST, DatetimeSplit, splitter
from ostinato.split.sampling import Sampling, sampling
from ostinato.split.spec import SplitSpec

Types = Mapping[str, pa.DataType | None]


def held_out_rows(
    source: Source, preprocessing: GlobalPreprocessingSpec, split: SplitSpec, seed: int, types: Types
) -> Iterator[pa.RecordBatch]:
    """The test rows in the order of the data, some at a time, none where a batch has none.

    Args:
        source: the data that were split.
        preprocessing: what the config says of sampling.
        split: the split that was in force.
        seed: of the split and the sampling.
        types: the columns to read, and the type at which a reader of text should aim; None for whatever it finds.

    Raises:
        DataError: the data can't be read, or can't be split so.
    """
    assigner = splitter(split, seed)
    sampled = sampling(preprocessing, lambda: _count_rows(source), seed)
    wanted = dict(types)
    if assigner.column:
        own = assigner.column_type
        wanted[assigner.column] = own if wanted.get(assigner.column, own) == own else pa.string()
    if isinstance(assigner, DatetimeSplit):
        times = (batch.column(0) for batch in _sampled(source, {assigner.column or "": None}, sampled))
        assigner.measure_all(times)
    number = 0
    for batch in _sampled(source, wanted, sampled):
        values = batch.column(assigner.column) if assigner.column else None
        by = assigner.times(values) if isinstance(assigner, DatetimeSplit) else values
        parts = assigner.assign(by, number, batch.num_rows)
        number += batch.num_rows
        yield batch.filter(pa.array(parts == TEST))


def _sampled(source: Source, types: Types, sampled: Sampling | None) -> Iterator[pa.RecordBatch]:
    row = 0
    aimed = {name: kind for name, kind in types.items() if kind is not None}
    for batch in source.batches(list(types), aimed):
        yield batch if sampled is None else batch.filter(pa.array(sampled.keep(row, batch.num_rows)))
        row += batch.num_rows


def _count_rows(source: Source) -> int:
    return sum(batch.num_rows for batch in source.batches(source.column_names()[:1]))
