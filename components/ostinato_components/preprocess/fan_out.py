"""Preprocessing as tasks on a cluster. They meet in a working folder of the storage, named by what decides its content.

    plan -> [URI of each part] -> analyze each -> merge -> encode each share of the shards -> collect

    <storage>/work/<key>-<tasks>/   plan.json · part-*.arrow, part-*.json · merged.json · share-*.json
    <storage>/data/<key>/           the data folder

Every task writes its JSON last and makes the same of the same, so it can be run again, or twice at once; what is there
already is not made again. What a task needs and does not find, because somebody tidied up, it makes itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ostinato import storage
from ostinato.artifacts import MANIFEST, Manifest
from ostinato.batches import Source, open_source
from ostinato.config import Config
from ostinato.errors import ConfigError, DataError, Problem
from ostinato.load import from_json
from ostinato.resources import usable_cores
from ostinato_components.preprocess.analysis import KINDS, Analyzed, analyze, spill_name
from ostinato_components.preprocess.collecting import collect
from ostinato_components.preprocess.data_folder import (
    are_there,
    emptied,
    explained_writing,
    place,
    publish,
    published,
    working_folder,
)
from ostinato_components.preprocess.digests import source_digest
from ostinato_components.preprocess.encoding import Encoded, encode
from ostinato_components.preprocess.merging import Merged, merge
from ostinato_components.preprocess.plan import Plan, make_plan
from ostinato_components.preprocess.preprocessing import SHARD_ROWS, absolute, say, shard_folder
from ostinato_components.preprocess.rows import Work


def plan_parts(
    dataset: str, config: str, store: str, shards: int, *, seed: int = 42, shard_rows: int = SHARD_ROWS
) -> list[str]:
    """Cuts the data into about as many parts as there shall be tasks; their URIs.

    Args:
        dataset: URI of the data.
        config: what preprocessing reads of the config, as canonical JSON.
        store: path or URI of a folder, the storage, that every task sees.
        shards: number of tasks.
        seed: of the split and the sampling.
        shard_rows: rows of a Parquet file.

    Raises:
        ConfigError: there is no storage.
        DataError: the data can't be read, or can't be split so.
    """
    if not store:
        hint = "set it in the config or the overrides: s3://bucket/folder, or a folder that all tasks mount"
        message = "is empty, and parts of the data must lie where all tasks see them"
        raise ConfigError(Problem("backend.storage", message, hint=hint))
    sources = {"": open_source(dataset)}
    digest = source_digest(sources)
    plan = make_plan(sources, from_json(config), seed=seed, shard_rows=shard_rows, tasks=shards)
    plan = plan.model_copy(update={"source_digest": digest})
    folder = f"{absolute(store)}/work/{plan.key()}-{shards}"
    job = {"dataset": dataset, "config": config, "plan": plan.model_dump(mode="json")}
    _write(f"{folder}/plan.json", {**job, "data": shard_folder(store, plan)})
    return [f"{folder}/{number}" for number in range(len(plan.parts))]


def analyze_part(part: str) -> str:
    """Analyzes a part; its URI.

    Raises:
        DataError: the data or their values are wrong.
    """
    job, number = _opened(part)
    if not job.is_done():
        job.analyzed(number)
    return part


def merge_parts(parts: Sequence[str]) -> str:
    """Fits every column on what all parts found; the URI of the result.

    Raises:
        DataError: there are no training rows, or nothing can be learned from some columns.
    """
    job, _ = _opened(parts[0])
    if not job.is_done():
        job.merged()
    return job.merged_uri


def encode_share(part: str, merged: str) -> str:
    """Makes as many shards as fall to each part; its URI.

    Args:
        part: its URI.
        merged: what `merge_parts` gave; there so that nobody encodes before.

    Raises:
        DataError: the storage can't be written.
    """
    job, number = _opened(part)
    assert merged == job.merged_uri, "of the same job"
    if not job.is_done():
        try:
            job.encoded(number)
        except DataError:
            # Another run of the same may have come to its end meanwhile, and tidied up.
            if not job.is_done():
                raise
    return part


def collect_shares(parts: Sequence[str], data_folder: str) -> Manifest:
    """Writes what the folder of the shards tells of its rows, there and, with URIs of the shards, in a data folder.

    Raises:
        DataError: the data have changed meanwhile, or a folder can't be written.
    """
    started = time.perf_counter()
    job, _ = _opened(parts[0])
    content = published(job.data)
    if content is None:
        encoded = sum((job.encoded(number) for number in range(len(job.plan.parts))), Encoded())
        content = collect(job.plan, job.config, job.merged(), encoded, source_digest(job.sources))
        publish(content, job.data)
    job.tidy_up()
    content = content.placed(job.data)
    with emptied(data_folder):
        publish(content, data_folder)
    say(content.manifest, time.perf_counter() - started)
    return content.manifest


@dataclass(frozen=True)
class _Job:
    """What all tasks share, and their results: each is read where it is there, and made where it is not."""

    folder: str
    data: str
    """Where the shards go."""
    plan: Plan
    config: Config
    sources: dict[str, Source]

    @property
    def merged_uri(self) -> str:
        """Where the result of merging lies."""
        return f"{self.folder}/merged.json"

    def is_done(self) -> bool:
        """Whether the data folder is there, and none of the tasks has anything to do."""
        return storage.exists(f"{self.data}/{MANIFEST}")

    def analyzed(self, number: int) -> Analyzed:
        """What was found in a part."""
        if storage.exists(self._part_uri(number)):
            return Analyzed.from_json(_read(self._part_uri(number)), self.config)
        return self._analyze(number)

    def _analyze(self, number: int) -> Analyzed:
        with self._work() as work:
            found = analyze(work, number, self.sources)
            for path in sorted(work.folder.glob("*.arrow")):
                place(path, self.folder)
            _write(self._part_uri(number), found.to_json())
        return found

    def merged(self) -> Merged:
        """What was found in all parts together."""
        if storage.exists(self.merged_uri):
            return Merged.from_json(_read(self.merged_uri), self.config)
        found = merge(self.plan, self.config, [self.analyzed(number) for number in range(len(self.plan.parts))])
        _write(self.merged_uri, found.to_json())
        return found

    def encoded(self, number: int) -> Encoded:
        """The shards of a share, all of them there and whole."""
        uri = f"{self.folder}/share-{number:05d}.json"
        if storage.exists(uri):
            encoded = Encoded.model_validate_json(storage.read_bytes(uri))
            if are_there(self.data, (shard for shards in encoded.shards.values() for shard in shards)):
                return encoded
        merged = self.merged()
        try:
            encoded = self._encode(number, merged)
        except DataError:
            files = {spill.file: spill.part for spills in merged.spills.values() for spill in spills if spill.rows}
            lost = sorted({part for file, part in files.items() if not storage.exists(f"{self.folder}/{file}")})
            if not lost:
                raise
            for part in lost:
                self._analyze(part)
            encoded = self._encode(number, merged)
        _write(uri, encoded.model_dump(mode="json"))
        return encoded

    def _encode(self, number: int, merged: Merged) -> Encoded:
        share = number, len(self.plan.parts)
        with self._work() as work:
            return encode(work, merged, self.folder, lambda shard: place(shard, self.data), share)

    def _part_uri(self, number: int) -> str:
        return f"{self.folder}/part-{number:05d}.json"

    @contextmanager
    def _work(self) -> Iterator[Work]:
        with working_folder(self.folder) as folder, ThreadPoolExecutor(usable_cores()) as pool:
            yield Work(self.plan, self.config, pool, folder)

    def tidy_up(self) -> None:
        """Removes the rows between the passes, which are as large as the data."""
        for number in range(len(self.plan.parts)):
            for kind in KINDS:
                storage.remove(f"{self.folder}/{spill_name(number, kind)}")


def _opened(part: str) -> tuple[_Job, int]:
    """The job of a part, and the part's number."""
    folder, _, number = part.rpartition("/")
    value = _read(f"{folder}/plan.json")
    plan = Plan.model_validate_json(json.dumps(value["plan"]))
    sources = {"": open_source(value["dataset"])}
    return _Job(folder, value["data"], plan, from_json(value["config"]), sources), int(number)


def _read(uri: str) -> Any:
    return json.loads(storage.read_bytes(uri))


def _write(uri: str, value: Any) -> None:
    with explained_writing(uri):
        storage.write_bytes_atomic(uri, json.dumps(value, ensure_ascii=False).encode())
