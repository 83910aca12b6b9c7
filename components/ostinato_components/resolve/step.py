"""The first step of the DAG: what is asked for, and of which data.

KFP's cache sees parameters, not the content of files. So what a later step depends on is a parameter made here, and
this step, which is cheap, is never cached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ostinato import __version__
from ostinato.backend.kubernetes.spec import KubernetesSpec
from ostinato.config import Config
from ostinato.errors import ConfigError, OstinatoError, Problem
from ostinato.load import AFTERWARDS, GUARDS, LoadedConfig, canonical_json, data_slice, load_config
from ostinato.packing import check_size, packed
from ostinato.spec import Spec


@dataclass(frozen=True)
class Resolved:
    """What the later steps are asked to do; each field is a part of their cache keys."""

    config: str
    """The config, overrides merged, as canonical JSON, packed, without the sections that decide whether it goes on."""
    data_config: str
    """The part of it that preprocessing reads: another learning rate gives the same; packed."""
    digest: str
    """Digest of the data's content, with the library's version."""
    fingerprint: str
    """Digest of everything that is learned from: config, data, seed, library."""
    storage: str
    """URI of the folder for what must outlive a pod; empty where the config names none."""
    data_contract: str
    """The section of that name as canonical JSON; empty where there is none."""
    gate: str
    """The section of that name as canonical JSON; empty where there is none."""


def run(
    config: str,
    overrides: str,
    dataset: str,
    seed: int = 42,
    *,
    many_nodes: bool = False,
    storage: str = "",
    guards: Sequence[str] = (),
) -> Resolved:
    """Merges and validates the config and takes the digest of the data.

    Args:
        config: YAML or JSON.
        overrides: JSON object of dotted paths, e.g. `{"trainer.epochs": 5}`.
        dataset: URI of the data.
        seed: seed of splits and weights.
        many_nodes: whether the pipeline can train on several machines.
        storage: URI of a folder, in place of `backend.storage`; empty to keep that.
        guards: sections for which the pipeline has a step.

    Raises:
        ConfigError: the config, an override or the name of the data is wrong; says everything that is.
        DataError: the data can't be read.
    """
    loaded = resolve_config(config, overrides, dataset, many_nodes=many_nodes, storage=storage, guards=guards)
    document = {key: value for key, value in loaded.document.items() if key not in (*GUARDS, *AFTERWARDS)}
    sections = (canonical_json(section.model_dump()) if section else "" for section in guarding(loaded.config))
    text = canonical_json(document)
    packed_text, data_config = packed(text), packed(canonical_json(data_slice(document)))
    for travelling in (packed_text, data_config):
        check_size(travelling)
    from ostinato.batches import open_source  # Arrow: only when the config is good

    digest = f"{__version__}-{open_source(dataset).digest()}"
    fingerprint = hashlib.sha256("\n".join((text, digest, str(seed))).encode()).hexdigest()[:16]
    storage = loaded.config.backend.storage or ""
    return Resolved(packed_text, data_config, digest, fingerprint, storage, *sections)


def guarding(config: Config) -> tuple[Spec | None, ...]:
    """The sections that decide whether a run goes on, in the order of GUARDS."""
    return tuple(getattr(config, name) for name in GUARDS)


def resolve_config(
    config: str,
    overrides: str,
    dataset: str,
    *,
    many_nodes: bool = False,
    storage: str = "",
    guards: Sequence[str] = (),
) -> LoadedConfig:
    """The config, overrides merged."""
    problems: list[Problem] = []
    if not dataset.strip():
        allowed = "a file, folder or pattern; local, s3://, gs://, http(s)://"
        problems.append(Problem("dataset", "is empty: which data?", allowed))
    changes: dict[str, object] = {}
    try:
        changes = parse_overrides(overrides)
    except ConfigError as error:
        problems += error.problems
    if storage.strip():
        changes["backend.storage"] = storage.strip()
    if not config.strip():
        problems.append(Problem("config", "is empty", "the text of a config, YAML or JSON", "see docs/config.md"))
        raise ConfigError(problems)
    try:
        loaded = load_config("config", text=config, overrides=changes)
    except OstinatoError as error:
        raise ConfigError([*problems, *error.problems]) from error
    num_nodes = loaded.config.backend.trainer.num_nodes
    if num_nodes > 1 and not many_nodes:
        message = f"is {num_nodes}, and this pipeline was made to train on one machine"
        hint = "compile this config by itself (ostinato compile config.yaml), or set it to 1"
        problems.append(Problem("backend.trainer.num_nodes", message, "1", hint))
    for name, section in zip(GUARDS, guarding(loaded.config), strict=True):
        if (section is not None) != (name in guards):
            message = (
                "asks for a step that this pipeline lacks" if section else "is null, and this pipeline has its step"
            )
            hint = "compile this config by itself (ostinato compile config.yaml)"
            problems.append(Problem(name, message, hint=hint))
    problems += too_late(loaded.config)
    if problems:
        raise ConfigError(problems)
    for warning in loaded.warnings:
        print(f"warning: {warning}")
    return loaded


def too_late(config: Config) -> list[Problem]:
    """Sections that a run that has begun can't heed any more."""
    found = [name for name in AFTERWARDS if getattr(config, name) is not None]
    if config.backend.kubernetes != KubernetesSpec():
        found.append("backend.kubernetes")
    message = "is applied when a pipeline is compiled, and this run has begun"
    hint = "compile this config by itself (ostinato compile config.yaml), or leave the section out"
    return [Problem(name, message, hint=hint) for name in found]


def parse_overrides(overrides: str) -> dict[str, object]:
    """`{"trainer.epochs": 5}` as a dict; an empty text is no override."""
    form = 'a JSON object of dotted paths, e.g. {"trainer.epochs": 5}'
    if not overrides.strip():
        return {}
    try:
        changes = json.loads(overrides)
    except json.JSONDecodeError as error:
        raise ConfigError(Problem("overrides", f"is no JSON: {error}", form)) from error
    if not isinstance(changes, dict):
        raise ConfigError(Problem("overrides", f"is a {type(changes).__name__}", form))
    return changes
