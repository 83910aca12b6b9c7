"""Any data set -> a data folder: split, statistics of the training rows, encoded Parquet shards, manifest."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ostinato import __version__
from ostinato.artifacts import SPLIT_NAMES, Manifest, Shard, SplitName
from ostinato.batches import Source, open_source
from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.errors import ConfigError, Problem
from ostinato.split.data import TEST, VALIDATION, Always, TrainingOnly, splitter
from ostinato.split.spec import FixedSplitSpec, SplitSpec
from ostinato_components.preprocess.data_folder import publish, working_folder
from ostinato_components.preprocess.first_pass import FirstPass
from ostinato_components.preprocess.rows import Findings, Part, check_unparsable, features_of
from ostinato_components.preprocess.sampling import balance, sampling
from ostinato_components.preprocess.second_pass import SecondPass
from ostinato_components.preprocess.shards import ROW_GROUP, ShardWriter

SHARD_ROWS = 4 * ROW_GROUP
_FEW_ROWS = 20

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

    Raises:
        DataError: the data can't be read, don't fit the config, or the folder can't be written.
    """
    started = time.perf_counter()
    sources = _sources(dataset, training_set, validation_set, test_set, data_format)
    with working_folder(str(data_folder)) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        digest = pool.submit(_digest, sources)
        split, warnings = _split_of(config, sources)
        parts = _parts(sources, split, config, seed)
        first = FirstPass(features_of(config), folder, pool)
        for part in parts:
            first.read(part)
        first.close()
        warnings += first.warnings + check_unparsable(first.features, config, first.findings)
        fitted = first.fit()
        log.info("read %s rows in %.1f s", f"{first.findings.read:,}", time.perf_counter() - started)
        encoded = _encode(first, fitted, config, folder, pool, seed=seed, shard_rows=shard_rows)
        warnings += encoded.warnings + _oddities(first, fitted, encoded)
        manifest = Manifest(
            ostinato_version=__version__,
            source=" ".join(source.uri for source in sources.values()),
            source_digest=digest.result(),
            config_digest=config_digest(config, seed),
            seed=seed,
            split=None if split is None else split.model_dump(mode="json"),
            splits=encoded.splits,
            dropped_rows=dict(sorted((+(first.findings.dropped + encoded.dropped)).items())),
            unparsable=_unparsable(first.findings),
            warnings=tuple(warnings),
        )
        metadata = {name: one.model_dump(mode="json") for name, one in fitted.items()}
        publish(folder, str(data_folder), manifest, metadata, encoded.statistics)
    for warning in warnings:
        log.warning("%s", warning)
    counts = ", ".join(f"{manifest.rows(split):,} {split}" for split in manifest.splits)
    log.info("wrote %s rows in %.1f s", counts, time.perf_counter() - started)
    return manifest


def config_digest(config: Config, seed: int) -> str:
    """Digest of all that preprocessing reads of a config."""
    kept = {"name", "type", "column", "tied", "preprocessing"}
    specs = (*config.input_features, *config.output_features)
    features = [spec.model_dump(mode="json", include=kept) for spec in specs]
    read = {"features": features, "preprocessing": config.preprocessing.model_dump(mode="json"), "seed": seed}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _sources(dataset: Any, training: Any, validation: Any, test: Any, data_format: str) -> dict[str, Source]:
    """Sources by part; the part of `dataset` is empty.

    Raises:
        ConfigError: neither `dataset` nor `training_set`, or both.
    """
    given = {"": dataset, "training": training, "validation": validation, "test": test}
    present = {part: data for part, data in given.items() if data is not None}
    if "" in present and len(present) > 1:
        raise ConfigError(Problem("dataset", "comes with ready-made sets as well", "the one or the others"))
    if "" not in present and "training" not in present:
        raise ConfigError(Problem("dataset", "is missing", "a dataset, or a training_set"))
    return {part: open_source(data, data_format) for part, data in present.items()}


def _digest(sources: Mapping[str, Source]) -> str:
    digests = [source.digest() for source in sources.values()]
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _parts(sources: Mapping[str, Source], spec: SplitSpec | None, config: Config, seed: int) -> list[Part]:
    """How each source is split, in the order of reading."""
    options = config.preprocessing
    if spec is not None:
        return [Part(sources[""], splitter(spec, seed), sampling(options, sources[""], seed))]
    training = sources["training"]
    split = Always(0) if "validation" in sources else TrainingOnly(seed)
    parts = [Part(training, split, sampling(options, training, seed))]
    for name, part in (("validation", VALIDATION), ("test", TEST)):
        if name in sources:
            parts.append(Part(sources[name], Always(part), None))
    return parts


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


@dataclass
class _Encoded:
    """What the second pass wrote and found."""

    splits: dict[SplitName, tuple[Shard, ...]] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)


def _encode(
    first: FirstPass,
    fitted: Mapping[str, Fitted],
    config: Config,
    folder: Path,
    pool: Executor,
    *,
    seed: int,
    shard_rows: int,
) -> _Encoded:
    """Encodes all splits; the rows of the training split are balanced as the config says."""
    found = _Encoded()
    shapes = {feature.name: feature.column.shape(fitted[feature.name]) for feature in first.features}
    classes = [output.name for output in config.output_features if shapes[output.name].kind != "number"]
    balanced = balance(config, shapes, seed)
    for split in SPLIT_NAMES:
        is_training = split == "training"
        second = SecondPass(first.features, fitted, lambda name=split: first.batches(name), pool)  # type: ignore[misc]
        unknown = dict.fromkeys(classes, 0)
        with ShardWriter(folder, split, shard_rows) as writer:
            for encoded in second.encoded(balanced if is_training else None, drop=is_training):
                writer.write(encoded)
                for name in classes:
                    unknown[name] += int(np.count_nonzero(encoded[name] < 0))
        if writer.shards:
            found.splits[split] = tuple(writer.shards)
        found.dropped.update(second.dropped)
        found.statistics[split] = {
            "rows": sum(shard.rows for shard in writer.shards),
            "missing": second.missing,
            "unknown_targets": unknown,
        }
        found.warnings += [
            f"{name}: {count:,} {split} rows have a class that no training row has; they count as wrong"
            for name, count in unknown.items()
            if count
        ]
    return found


def _oddities(first: FirstPass, fitted: Mapping[str, Fitted], encoded: _Encoded) -> list[str]:
    """What a person should know of columns, targets and splits."""
    warnings = [text for feature in first.features for text in feature.column.warnings(fitted[feature.name])]
    for reason, count in first.findings.dropped.items():
        if reason.startswith("missing") and count > 0.05 * first.findings.read:
            warnings.append(f"{count:,} of {first.findings.read:,} rows were left out: {reason}")
    for split in SPLIT_NAMES:
        rows = encoded.statistics[split]["rows"]
        if rows < _FEW_ROWS and (rows or split == "validation"):
            warnings.append(f"only {rows:,} {split} rows: what is measured on them says little")
    return warnings


def _unparsable(findings: Findings) -> dict[str, dict[str, Any]]:
    return {
        name: {"count": found.count, "samples": list(found.samples), "infinite": found.infinite}
        for name, found in findings.unparsable.items()
        if found.count or found.infinite
    }
