"""What `lock.json` says: all that a model came of, so that it can be trained again and compared."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ostinato import storage
from ostinato.artifacts import LOCK, SplitName
from ostinato.errors import DataError, Problem
from ostinato.spec import NonNegativeInt, PositiveInt, Spec

FORMAT_VERSION = 1
IMAGE = "OSTINATO_IMAGE"
"""Environment variable: the image that this step runs in; a compiled pipeline sets it."""
GIT_SHA = "OSTINATO_GIT_SHA"
"""Environment variable: the commit of whoever asked for the model; a pipeline compiled with `--git_sha` sets it."""


class SplitLock(Spec):
    """The rows of a split."""

    rows: NonNegativeInt
    """Number of rows."""
    digest: str
    """Digest of the encoded rows in order: of which rows they are, and of what was made of them."""


class DataLock(Spec):
    """The data that a model was trained on."""

    source: str
    """URI of the data."""
    digest: str
    """Digest of the data's content."""
    seed: int
    """Seed of the split."""
    split: dict[str, Any] | None
    """The split in force; null where each split had a file of its own."""
    splits: dict[SplitName, SplitLock]
    """Which rows were for what."""


class Hardware(Spec):
    """What a model was trained on."""

    machine: str
    """Architecture, e.g. x86_64."""
    cpu: str
    """The processor, as it names itself."""
    cores: PositiveInt
    """Cores that the process might use."""
    device: str
    """Where it trained: cpu or cuda."""
    gpus: tuple[str, ...]
    """The GPUs that the process saw."""
    processes: PositiveInt
    """Processes that trained together."""


class Lock(Spec):
    """What `lock.json` says."""

    format_version: int = FORMAT_VERSION
    """Version of this file's layout."""
    config: dict[str, Any]
    """The config with every default filled in, overrides merged."""
    seed: int
    """Seed of the weights and of the order of the rows."""
    data: DataLock
    """What it was trained on."""
    versions: dict[str, str]
    """Of Python and of the libraries that decide on a bit of the result."""
    hardware: Hardware
    """Where it was trained."""
    image: str = ""
    """The image of the step, as the compiled pipeline names it; empty outside of one."""
    git_sha: str = ""
    """The commit of whoever asked for the model, `-dirty` where files were changed since; empty where unknown."""
    weights: str
    """SHA-256 of the file of the weights."""
    metrics: dict[str, dict[str, float]]
    """Of each output, on the rows that decided on the best model."""


def read_lock(folder: str) -> Lock:
    """The lock record of a model folder or bundle.

    Raises:
        DataError: there is none, or not one that this version reads.
    """
    where = f"{folder}/{LOCK}"
    if not storage.exists(where):
        hint = "give the folder `model` that training wrote, or a bundle"
        raise DataError(Problem(folder, f"has no {LOCK}, so nothing says what it was trained on", hint=hint))
    try:
        lock = Lock.model_validate_json(storage.read_bytes(where), strict=False)
    except ValidationError as error:
        raise DataError(Problem(where, "is no lock record that this version of Ostinato can read")) from error
    if lock.format_version != FORMAT_VERSION:
        message = f"has the format version {lock.format_version}"
        raise DataError(Problem(where, message, str(FORMAT_VERSION), "use the version of Ostinato it is from"))
    return lock
