"""What preprocessing will do: which rows are read in which part, and what each part must know of the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ostinato import __version__
from ostinato.batches import Source
from ostinato.config import Config
from ostinato.sources.file import FileSource
from ostinato.sources.stretches import Piece, Stretch, StretchSource, joined, pieces
from ostinato.spec import NonNegativeInt, Spec
from ostinato.split.data import TEST, TRAINING, VALIDATION, Always, DatetimeSplit, Split, TrainingOnly, splitter
from ostinato.split.sampling import Sampling, sampling
from ostinato.split.spec import FixedSplitSpec, SplitSpec, split_spec
from ostinato_components.preprocess.digests import config_digest

SETS = ("", "training", "validation", "test")
"""Names of sources: one of all rows, or ready-made ones."""
_FINER = 8
"""Pieces for each task at least, so that the parts come out about even."""


class Part(Spec):
    """Rows that are read in one go."""

    source: str = ""
    """One of SETS."""
    stretches: tuple[Stretch, ...] | None = None
    """Where they lie; null for the whole source."""
    first_row: NonNegativeInt = 0
    """Number of its first row in the source."""
    first_number: NonNegativeInt = 0
    """The same among the rows of the sample."""
    state: dict[str, int] = {}
    """What the split knows of the rows before, or of all."""


class Plan(Spec):
    """Everything but the data and the config that decides on the result."""

    uri: str
    """Where the data are."""
    names: tuple[str, ...]
    """Names of the sources there are."""
    data_format: str
    """Format of the files; `auto` tells it by name and content."""
    config_digest: str
    """Digest of the part of the config that preprocessing reads."""
    source_digest: str = ""
    """Digest of the data's content; empty as long as it is not known."""
    seed: int
    """Seed of the split and the sampling."""
    shard_rows: int
    """Rows of a Parquet file."""
    split: dict[str, Any] | None
    """The split in force; null where the sets are ready-made."""
    sampled: Sampling | None
    """Which rows are used; null for all."""
    parts: tuple[Part, ...]
    """In the order of their rows."""
    warnings: tuple[str, ...] = ()
    """What a person should know."""

    def key(self) -> str:
        """Name of the result: plans of one key give the same bytes, whatever their parts."""
        assert self.source_digest, "known by now"
        decisive = (
            __version__, pa.__version__, self.source_digest, self.config_digest, self.shard_rows, self.data_format,
            self.names,
        )  # fmt: skip
        return hashlib.sha256(repr(decisive).encode()).hexdigest()[:32]

    def sample_of(self, part: Part) -> Sampling | None:
        """Which rows of a part are used; None for all."""
        return self.sampled if part.source in ("", "training") else None

    def split_of(self, part: Part) -> Split:
        """What assigns the rows of a part, ready to begin."""
        if self.split is not None:
            split = splitter(split_spec(self.split), self.seed)
            split.state = dict(part.state)
            return split
        if part.source == "training":
            return Always(TRAINING) if "validation" in self.names else TrainingOnly(self.seed)
        return Always(VALIDATION if part.source == "validation" else TEST)


def make_plan(
    sources: Mapping[str, Source],
    config: Config,
    *,
    seed: int,
    shard_rows: int,
    data_format: str = "auto",
    tasks: int = 1,
) -> Plan:
    """The plan for sources, by their name in SETS; with several tasks, the one source is cut into about as many parts.

    Reads as little as can be: nothing for one part, but for the number of rows (`sample_size`) and for the times of a
    split by time. To cut text it is read once, and once more the column of a split that depends on earlier rows.

    Raises:
        DataError: the data can't be read, or can't be split so.
    """
    split, warnings = _split_of(config, sources)
    main = sources.get("", sources.get("training"))
    assert main is not None, "checked where the sources come from"
    found = list(pieces(main, _FINER * tasks)) if tasks > 1 and isinstance(main, FileSource) else []

    def count_rows() -> int:
        if found:
            return sum(piece.rows for piece in found)
        return sum(batch.num_rows for batch in main.batches(main.column_names()[:1]))

    sampled = sampling(config.preprocessing, count_rows, seed)
    parts = _parts(found, tasks, sampled) if found else tuple(Part(source=name) for name in sources)
    plan = Plan(
        uri=" ".join(source.uri for source in sources.values()),
        names=tuple(sources),
        data_format=data_format,
        config_digest=config_digest(config, seed),
        seed=seed,
        shard_rows=shard_rows,
        split=None if split is None else split.model_dump(mode="json"),
        sampled=sampled,
        parts=parts,
        warnings=tuple(warnings),
    )
    return plan.model_copy(update={"parts": _informed(plan, sources)})


def source_of(part: Part, sources: Mapping[str, Source]) -> Source:
    """The rows of a part."""
    source = sources[part.source]
    if part.stretches is None:
        return source
    assert isinstance(source, FileSource), "only files are cut"
    return StretchSource(source, part.stretches)


def _split_of(config: Config, sources: Mapping[str, Source]) -> tuple[SplitSpec | None, list[str]]:
    """The split of the config; where it says nothing and the data has a column `split`, that column; and warnings.

    None where the sets are ready-made.
    """
    if "" not in sources:
        return None, []
    fixed, names = FixedSplitSpec(), sources[""].column_names()
    is_feature = fixed.column in {spec.source for spec in (*config.input_features, *config.output_features)}
    if "split" in config.preprocessing.model_fields_set or is_feature or fixed.column not in names:
        return config.preprocessing.split, []
    return fixed, [f"the column '{fixed.column}' of the data tells which rows train, validate and test"]


def _parts(found: Sequence[Piece], tasks: int, sampled: Sampling | None) -> tuple[Part, ...]:
    """Pieces that lie together, as parts of about as many bytes."""
    parts = []
    row = number = 0
    for task in range(tasks):
        mine = [piece for piece in found if int(piece.begins * tasks) == task]
        rows = sum(piece.rows for piece in mine)
        if rows:
            stretches = joined([piece.stretch for piece in mine])
            parts.append(Part(stretches=stretches, first_row=row, first_number=number))
        row, number = row + rows, number + (rows if sampled is None else sampled.count(row, rows))
    return tuple(parts) or (Part(),)


def _informed(plan: Plan, sources: Mapping[str, Source]) -> tuple[Part, ...]:
    """The parts, each with the state that the split begins with."""
    if plan.split is None:
        return plan.parts
    split = plan.split_of(plan.parts[0])
    if isinstance(split, DatetimeSplit):
        split.measure_all(values for part in plan.parts for values, _ in _values(plan, part, split, sources))
        return tuple(part.model_copy(update={"state": split.state}) for part in plan.parts)
    parts = []
    for part in plan.parts:
        parts.append(part.model_copy(update={"state": dict(split.state)}))
        if split.remembers and part is not plan.parts[-1]:
            for values, number in _values(plan, part, split, sources):
                split.assign(values, number, len(values))
    return tuple(parts)


def _values(plan: Plan, part: Part, split: Split, sources: Mapping[str, Source]) -> Iterator[tuple[Any, int]]:
    """What a split reads of the sampled rows of a part, and the number of the first, batch after batch."""
    assert split.column is not None, "such splits read a column"
    types = {} if split.column_type is None else {split.column: split.column_type}
    sampled, row, number = plan.sample_of(part), part.first_row, part.first_number
    for batch in source_of(part, sources).batches([split.column], types):
        values = batch.column(0)
        if sampled is not None:
            values = values.filter(pa.array(sampled.keep(row, len(values))))
        yield values, number
        row, number = row + batch.num_rows, number + len(values)
