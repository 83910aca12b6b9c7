"""What a registry is told of a model."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ostinato import storage
from ostinato.artifacts import BUNDLE, LOCK
from ostinato.errors import DataError, Problem
from ostinato.lock import read_lock

_MOST_LETTERS = 500
"""Of a value: MLflow takes 500 of a parameter in its older versions."""
_MOST_PARAMETERS = 200


@dataclass(frozen=True)
class Entry:
    """A model, and what it came of."""

    bundle: str
    """Folder of the bundle, on this machine."""
    uri: str
    """Where the bundle lies for others."""
    digest: str
    """Of the bundle's content, 64 hex digits."""
    metrics: dict[str, float] = field(default_factory=dict)
    """By feature.metric, finite."""
    tags: dict[str, str] = field(default_factory=dict)
    """What it came of: versions, digests, commit, run."""
    parameters: dict[str, str] = field(default_factory=dict)
    """The config by dotted path, as texts."""

    @property
    def version(self) -> str:
        """A name for it, where the registry gives none."""
        return self.digest[:12]


def describe(bundle: str, uri: str, metrics: Mapping[str, Any], run_id: str) -> Entry:
    """The entry of a bundle.

    Raises:
        DataError: it is no bundle.
    """
    if not storage.exists(f"{bundle}/{BUNDLE}"):
        raise DataError(Problem(bundle, f"is no bundle: there is no {BUNDLE}", "what the step export wrote"))
    # It holds the digests of all other files.
    digest = hashlib.sha256(storage.read_bytes(f"{bundle}/{BUNDLE}")).hexdigest()
    tags = {"ostinato.bundle": digest, "ostinato.run": run_id, "ostinato.uri": uri}
    parameters: dict[str, str] = {}
    if storage.exists(f"{bundle}/{LOCK}"):
        lock = read_lock(bundle)
        tags |= {
            "ostinato.version": lock.versions.get("ostinato", ""),
            "ostinato.git_sha": lock.git_sha,
            "ostinato.image": lock.image,
            "ostinato.data": lock.data.digest,
            "ostinato.weights": lock.weights,
            "ostinato.config": hashlib.sha256(json.dumps(lock.config, sort_keys=True).encode()).hexdigest(),
        }
        pairs = sorted(_flat(lock.config))
        parameters = {name: text[:_MOST_LETTERS] for name, text in pairs[:_MOST_PARAMETERS]}
    finite = {
        name: float(value) for name, value in metrics.items() if isinstance(value, int | float) and math.isfinite(value)
    }
    return Entry(bundle, uri, digest, finite, {name: text for name, text in tags.items() if text}, parameters)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of the config by dotted path; features by their name."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            yield from _flat({key: below for key, below in item.items() if key != "name"}, f"{path}.{item['name']}")
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)
