"""Any data set -> a data folder: split, statistics of the training rows, encoded Parquet shards, manifest.

    plan -> analyze each part -> merge -> encode each share of the shards -> collect

Here all of it in one process, with one part and one share; `fan_out.py` does the same with many.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ostinato.artifacts import Manifest
from ostinato.batches import Source, open_source
from ostinato.config import Config
from ostinato.errors import ConfigError, Problem
from ostinato.resources import usable_cores
from ostinato.storage import is_local, local_path
from ostinato_components.preprocess.analysis import analyze
from ostinato_components.preprocess.collecting import collect
from ostinato_components.preprocess.data_folder import Content, emptied, place, publish, published, working_folder
from ostinato_components.preprocess.digests import source_digest, source_digest_meanwhile
from ostinato_components.preprocess.encoding import encode
from ostinato_components.preprocess.merging import merge
from ostinato_components.preprocess.plan import SETS, Plan, make_plan
from ostinato_components.preprocess.rows import Work
from ostinato_components.preprocess.shards import ROW_GROUP

SHARD_ROWS = 4 * ROW_GROUP

log = logging.getLogger("ostinato.preprocess")


def run(
    dataset: Any,
    config: Config,
    data_folder: str,
    *,
    seed: int = 42,
    training_set: Any = None,
    validation_set: Any = None,
    test_set: Any = None,
    data_format: str = "auto",
    shard_rows: int = SHARD_ROWS,
    storage: str = "",
) -> Manifest:
    """Reads the data, splits it, fits every column on the training rows, writes the encoded rows of each split.

    The same data, config and seed give the same bytes. Memory is that of a few batches, whatever the number of rows.
    The manifest is written last: a folder without one is not whole.

    Args:
        dataset: URI, path, pattern, folder or table in memory; None with ready-made files.
        config: the config, or the part of it that preprocessing reads.
        data_folder: path or URI to write; what an earlier run left there is replaced.
        seed: of the split and the sampling.
        training_set: ready-made training rows instead of `dataset`.
        validation_set: ready-made validation rows; without, 15 % of the training rows are set aside.
        test_set: ready-made test rows.
        data_format: format of the files; `auto` tells it by name and content.
        shard_rows: rows of a Parquet file, a multiple of 65,536 or less than that.
        storage: path or URI of a folder below which the shards go, by a name made of their content; what is there
            already is not made again. Empty for the data folder itself.

    Raises:
        DataError: the data can't be read, don't fit the config, or the folder can't be written.
    """
    assert shard_rows % ROW_GROUP == 0 or shard_rows < ROW_GROUP, "a shard holds whole row groups"
    started = time.perf_counter()
    sources = _sources(dataset, training_set, validation_set, test_set, data_format)
    data_folder = str(data_folder)
    plan = make_plan(sources, config, seed=seed, shard_rows=shard_rows, data_format=data_format)
    if not storage:
        content = _preprocessed(plan, config, sources, data_folder, replace=True)
    else:
        plan = plan.model_copy(update={"source_digest": source_digest(sources)})
        content = _stored(plan, config, sources, shard_folder(storage, plan))
        with emptied(data_folder):
            publish(content, data_folder)
    say(content.manifest, time.perf_counter() - started)
    return content.manifest


def shard_folder(storage: str, plan: Plan) -> str:
    """Where the shards of a plan go, as a URI."""
    return f"{absolute(storage)}/data/{plan.key()}"


def absolute(folder: str) -> str:
    """A path or URI of a folder as a URI that means the same to other processes."""
    return f"file://{os.path.abspath(local_path(folder))}" if is_local(folder) else folder.rstrip("/")


def say(manifest: Manifest, seconds: float) -> None:
    """Logs what was made."""
    for warning in manifest.warnings:
        log.warning("%s", warning)
    counts = ", ".join(f"{manifest.rows(split):,} {split}" for split in manifest.splits)
    log.info("wrote %s rows in %.1f s", counts, seconds)


def _stored(plan: Plan, config: Config, sources: Mapping[str, Source], folder: str) -> Content:
    """The content of the folder of that plan, which is made where it is not there yet."""
    content = published(folder)
    if content is None:
        content = _preprocessed(plan, config, sources, folder, replace=False)
    else:
        log.info("the encoded rows are there already: %s", folder)
    return content.placed(folder)


def _preprocessed(plan: Plan, config: Config, sources: Mapping[str, Source], folder: str, *, replace: bool) -> Content:
    """Reads and encodes everything, and publishes it to a folder."""
    started = time.perf_counter()
    with working_folder(folder) as working, ThreadPoolExecutor(usable_cores()) as pool:
        digest = source_digest_meanwhile(sources)
        work = Work(plan, config, pool, working)
        analyzed = [analyze(work, number, sources) for number in range(len(plan.parts))]
        merged = merge(plan, config, analyzed)
        log.info("read %s rows in %.1f s", f"{merged.findings.read:,}", time.perf_counter() - started)
        plan = plan.model_copy(update={"source_digest": digest.result()})
        finished: list[Path] = []
        # A remote folder gets each shard at once, so that this machine need not hold them all.
        deliver = finished.append if is_local(folder) else lambda shard: place(shard, folder)
        encoded = encode(work, merged, str(working), deliver)
        content = collect(plan, config, merged, encoded, source_digest(sources))
        with emptied(folder) if replace else contextlib.nullcontext():
            publish(content, folder, finished)
    return content


def _sources(dataset: Any, training: Any, validation: Any, test: Any, data_format: str) -> dict[str, Source]:
    """Sources by their name in SETS.

    Raises:
        ConfigError: neither `dataset` nor `training_set`, or both.
    """
    given = dict(zip(SETS, (dataset, training, validation, test), strict=True))
    present = {name: data for name, data in given.items() if data is not None}
    if "" in present and len(present) > 1:
        raise ConfigError(Problem("dataset", "comes with ready-made sets as well", "the one or the others"))
    if "" not in present and "training" not in present:
        raise ConfigError(Problem("dataset", "is missing", "a dataset, or a training_set"))
    return {name: open_source(data, data_format) for name, data in present.items()}
