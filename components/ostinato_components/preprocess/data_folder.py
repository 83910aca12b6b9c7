"""Writing a data folder so that it is whole or not there, whoever else writes to it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ostinato import storage
from ostinato.artifacts import MANIFEST, METADATA, PREPROCESSING_STATISTICS, SPLIT_NAMES, Manifest, Shard
from ostinato.errors import DataError, Problem

_WORKING = ".tmp-"
_LOCK = ".lock"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Content:
    """What a data folder holds besides the shards."""

    manifest: Manifest
    metadata: Mapping[str, Any]
    statistics: Mapping[str, Any]

    def placed(self, folder: str) -> Content:
        """The same for another place than beside the shards, which lie in a folder."""
        splits = {
            split: tuple(shard.model_copy(update={"path": f"{folder}/{shard.path}"}) for shard in shards)
            for split, shards in self.manifest.splits.items()
        }
        return Content(self.manifest.model_copy(update={"splits": splits}), self.metadata, self.statistics)


@contextmanager
def explained_writing(where: str) -> Iterator[None]:
    """Turns what writing raises into a DataError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # Arrow's own, from whatever it read or wrote
            raise DataError(Problem("", f"reading or writing failed: {error}")) from error
        hint = "preprocessing needs room for about three times the encoded rows" if error.errno in _FULL else ""
        place = str(error.filename or where)
        raise DataError(Problem(place, f"can't be written: {os.strerror(error.errno)}", hint=hint)) from error


@contextmanager
def working_folder(beside: str) -> Iterator[Path]:
    """A folder of this run alone, removed at the end: below a local folder, which is made, or with temporary files.

    Removes those of runs that were killed.

    Raises:
        DataError: it can't be made, or the disk is full.
    """
    with explained_writing(beside):
        parent = Path(storage.local_path(beside)) if storage.is_local(beside) else Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_WORKING, dir=parent))
        try:
            # Locked before it has its name, so that nobody takes it for the lock of a run that was killed.
            with (folder / "new").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.replace(folder / "new", folder / _LOCK)
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Removes working folders that nobody works in: the system gives a lock back when its process ends."""
    for path in parent.glob(f"{_WORKING}*/{_LOCK}"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError, PermissionError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


def place(file: Path, folder: str) -> None:
    """Moves a file into a folder, a path of the same file system or a URI; there it is whole or not there.

    Raises:
        DataError: the folder can't be written.
    """
    uri = f"{folder}/{file.name}"
    if storage.is_local(folder):
        target = Path(storage.local_path(uri))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    else:
        storage.upload(str(file), uri)
        file.unlink()


def published(folder: str) -> Content | None:
    """What a folder holds; None where it is not whole."""
    if not storage.exists(f"{folder}/{MANIFEST}"):
        return None
    try:
        manifest = Manifest.model_validate_json(storage.read_bytes(f"{folder}/{MANIFEST}"))
        if not are_there(folder, (shard for shards in manifest.splits.values() for shard in shards)):
            return None
        read = (json.loads(storage.read_bytes(f"{folder}/{name}")) for name in (METADATA, PREPROCESSING_STATISTICS))
        return Content(manifest, *read)
    except (ValidationError, DataError):
        return None


def are_there(folder: str, shards: Iterable[Shard]) -> bool:
    """Whether all shards are in a folder, with their size."""
    try:
        return all(storage.size(f"{folder}/{shard.path}") == shard.bytes for shard in shards)
    except DataError:
        return False


def publish(content: Content, folder: str, shards: Sequence[Path] = ()) -> None:
    """Moves shards to their place and writes the other files, the manifest last."""
    for file in shards:
        place(file, folder)
    values = {
        METADATA: content.metadata,
        PREPROCESSING_STATISTICS: content.statistics,
        MANIFEST: content.manifest.model_dump(mode="json"),
    }
    for name, value in values.items():
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        storage.write_bytes_atomic(f"{folder}/{name}", text.encode())


@contextmanager
def emptied(folder: str) -> Iterator[None]:
    """A data folder without what an earlier run left there, for us alone where it is local."""
    if not storage.is_local(folder):
        yield
        return
    path = Path(storage.local_path(folder))
    with explained_writing(folder):
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            (path / MANIFEST).unlink(missing_ok=True)
            for split in SPLIT_NAMES:
                for shard in path.glob(f"{split}-*.parquet"):
                    shard.unlink()
            yield


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until nobody else publishes to the folder."""
    path = folder / _LOCK
    while True:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever had it removed it; then this is the lock of a file that is no more.
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                try:
                    yield
                finally:
                    path.unlink()
                return
