"""Trains a model again from its lock record, and compares the two."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from safetensors.numpy import load as read_tensors

from ostinato import storage
from ostinato.artifacts import WEIGHTS, Manifest
from ostinato.config import Config
from ostinato.errors import ConfigError, DataError, GateError, Problem, shown
from ostinato.load import canonical_json, from_json
from ostinato.lock import Lock, read_lock
from ostinato_components.train.lock import split_lock, versions


@dataclass(frozen=True)
class Row:
    """One thing that was compared."""

    what: str
    then: str
    now: str
    is_same: bool
    """To the last bit; of metrics: within the tolerance."""


@dataclass(frozen=True)
class Reproduction:
    """A model and the one that was trained again."""

    place: tuple[Row, ...]
    """Versions and hardware."""
    result: tuple[Row, ...]
    """Encoded rows and weights."""
    metrics: tuple[Row, ...]
    """Of each output, on the rows that decided on the best model."""

    @property
    def is_same_place(self) -> bool:
        """Whether the weights ought to be the same to the last bit."""
        return all(row.is_same for row in self.place)

    @property
    def is_identical(self) -> bool:
        """Whether rows and weights are the same to the last bit."""
        return all(row.is_same for row in self.result)

    def table(self) -> str:
        """Everything that was compared, a line each."""
        rows = [*self.place, *self.result, *self.metrics]
        what, then = (
            max(len(text) for text in column) for column in zip(*((r.what, r.then) for r in rows), strict=True)
        )
        lines = [f"{'':{what}}  {'then':{then}}  now"]
        for row in rows:
            now = row.now if row.now != row.then else "same"
            lines.append(f"{row.what:{what}}  {row.then:{then}}  {now}{'' if row.is_same else '   (differs)'}".rstrip())
        return "\n".join(lines)

    def verdict(self) -> str:
        """The outcome in a sentence.

        Raises:
            GateError: the model could not be reproduced; says what differs.
        """
        if self.is_identical:
            return "reproduced: the weights are the same to the last bit"
        if self.is_same_place:
            wrong = [*self.result, *self.metrics]
            hint = "versions, hardware and data are the same: is the lock record this model's?"
        else:
            wrong = list(self.metrics) or list(self.result)  # without metrics only the weights can tell
            hint = "more than versions and hardware explain; --tolerance allows more"
        problems = [Problem(row.what, f"was {row.then}, is {row.now}") for row in wrong if not row.is_same]
        if problems:
            raise GateError([*problems[:-1], replace(problems[-1], hint=hint)])
        return "reproduced: other versions or hardware, and the metrics are within the tolerance"


def reproduce(
    model: str,
    data: Mapping[str, Any],
    *,
    data_format: str = "auto",
    tolerance: float = 0.05,
    other_versions: bool = False,
    output_directory: str | None = None,
) -> Reproduction:
    """Preprocesses and trains as the lock record says, in this process, and compares.

    Args:
        model: folder of the model, or a bundle; a path or URI.
        data: the data, by the names of `preprocess.run`: `dataset`, or `training_set` and its kin; empty for where
            they were.
        data_format: format of the data.
        tolerance: by which share a metric may differ where versions or hardware do.
        other_versions: goes on where versions of libraries differ.
        output_directory: path or URI of a new folder for the model that is trained again; None to keep nothing.

    Raises:
        DataError: there is no lock record, it is not this model's, or the data are not there or have changed.
        ConfigError: versions differ.
    """
    from ostinato_components import preprocess, train

    model = model.rstrip("/")
    lock = read_lock(model)
    before = _weights(model, lock)
    if output_directory is not None and storage.exists(output_directory):  # it may be the very model
        raise ConfigError(Problem(output_directory, "exists", "a folder that is not there yet"))
    if not other_versions:
        check_versions(lock)
    named = dict(data or {"dataset": _source(lock)})
    config = config_here(lock)
    with tempfile.TemporaryDirectory() as scratch:
        rows, again = f"{scratch}/data", output_directory or f"{scratch}/model"
        manifest = preprocess.run(
            named.pop("dataset", None), config, rows, seed=lock.data.seed, data_format=data_format, **named
        )
        check_data(lock, manifest)
        train.run(rows, config, again, seed=lock.seed)
        now = read_lock(again)
        return compare(lock, now, before, _weights(again, now), tolerance)


def check_versions(lock: Lock) -> None:
    """Raises ConfigError for each library whose version is another than the model's; any Python will do."""
    here = versions()
    wrong = {name: then for name, then in lock.versions.items() if name != "python" and then != here.get(name)}
    where = f"run it in the image {lock.image}" if lock.image else "install them"
    hint = f"{where}, or compare the metrics only: --other_versions"
    if wrong:
        raise ConfigError(
            Problem(name, f"is {here.get(name, 'not installed')}, and the model was trained with {then}", then, hint)
            for name, then in wrong.items()
        )


def config_here(lock: Lock) -> Config:
    """The config, for this machine alone: where the work is done changes nothing of what is learned."""
    trainer = {**lock.config.get("backend", {}).get("trainer", {}), "num_nodes": 1}
    return from_json(canonical_json({**lock.config, "backend": {"trainer": trainer}}))


def _source(lock: Lock) -> str:
    """Where the data were, which must be one place that anybody can read."""
    uri = lock.data.source
    if lock.data.split is None or uri == "memory" or "…" in uri:
        message = f"is missing: '{uri}' does not tell where all of the data are"
        raise ConfigError(Problem("dataset", message, hint="name them: --dataset, or --training_set and its kin"))
    return uri


def check_data(lock: Lock, manifest: Manifest) -> None:
    """Raises DataError where neither the data are the model's nor the encoded rows that came of them.

    A store vouches for its files by digests of its own, so a copy elsewhere is known by its rows only.
    """
    rows = {name: split_lock(shards) for name, shards in manifest.splits.items()}
    if manifest.source_digest == lock.data.digest or rows == lock.data.splits:
        return
    counts = "; ".join(
        f"{name}: {rows[name].rows if name in rows else 0:,} rows, and were {then.rows:,}"
        for name, then in lock.data.splits.items()
    )
    message = f"have changed since the model was trained ({counts})"
    raise DataError(Problem(shown(manifest.source), message, hint="name a copy of the data as they were: --dataset"))


def _weights(folder: str, lock: Lock) -> dict[str, np.ndarray]:
    """The weights of a model folder, which are those of its lock record."""
    where = f"{folder}/{WEIGHTS}"
    content = storage.read_bytes(where)
    if hashlib.sha256(content).hexdigest() != lock.weights:
        raise DataError(Problem(where, "is not the file that the lock record was written for"))
    tensors: dict[str, np.ndarray] = read_tensors(content)
    return tensors


def compare(
    then: Lock, now: Lock, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], tolerance: float
) -> Reproduction:
    """Two trainings of the same, side by side."""
    place = [_row(name, then.versions.get(name, ""), now.versions[name]) for name in now.versions if name != "python"]
    place += [_row(name, value, getattr(now.hardware, name)) for name, value in then.hardware]
    splits = sorted({*then.data.splits, *now.data.splits})
    result = [_row(f"{name} rows", _rows(then, name), _rows(now, name)) for name in splits]
    result.append(_weights_row(before, after))
    metrics = [
        _metric(f"{output}.{name}", value, now.metrics.get(output, {}).get(name), tolerance)
        for output, values in then.metrics.items()
        for name, value in values.items()
    ]
    return Reproduction(tuple(place), tuple(result), tuple(metrics))


def _weights_row(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Row:
    then = f"{len(before)} tensors"
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in (before, after)]
    if shapes[0] != shapes[1]:
        return Row("weights", then, "tensors of other names or shapes", False)
    changed = [name for name, tensor in before.items() if tensor.tobytes() != after[name].tobytes()]
    if not changed:
        return Row("weights", then, then, True)
    most = max(_distance(before[name], after[name]) for name in changed)
    return Row("weights", then, f"{len(changed)} differ, by up to {most:.2g} of the largest in their tensor", False)


def _distance(before: np.ndarray, after: np.ndarray) -> float:
    """The largest difference as a share of the largest value."""
    old, new = before.astype(np.float64), after.astype(np.float64)
    return float(np.abs(old - new).max() / (np.abs(old).max() or 1.0))


def _row(what: str, then: object, now: object) -> Row:
    before, after = (", ".join(v) or "none" if isinstance(v, tuple) else str(v) for v in (then, now))
    return Row(what, before, after, then == now)


def _rows(lock: Lock, split: Any) -> str:
    found = lock.data.splits.get(split)
    return f"{found.rows:,} ({found.digest[:12]})" if found else "none"


def _metric(what: str, then: float, now: float | None, tolerance: float) -> Row:
    is_near = now is not None and abs(then - now) <= tolerance * max(abs(then), abs(now))
    return Row(what, f"{then:.6g}", "none" if now is None else f"{now:.6g}", is_near)
