"""Putting a bundle in its place so that it is whole or not there, whoever is killed when.

Locally a folder beside the target is filled and takes its place by renaming. A store has no renaming: there
`bundle.json` goes first and comes last, and loading verifies the checksums it names.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from ostinato import storage
from ostinato.artifacts import BUNDLE
from ostinato.bundle import load_bundle
from ostinato.errors import DataError, Problem

UNFINISHED = "bundle.unfinished"
"""Object that says that the folder is to become a bundle; so that one which a killed run began is taken up."""


@contextlib.contextmanager
def published(target: str) -> Iterator[Path]:
    """A local folder to fill, which becomes the bundle at a path or URI when the block ends well.

    Raises:
        DataError: the target holds something else than a bundle, or can't be written.
    """
    with _explained(target):
        if storage.is_local(target):
            path = Path(storage.local_path(target))
            _refuse_other(target, [entry.name for entry in os.scandir(path)] if path.is_dir() else [], path.is_file())
            with _folder_beside(path) as folder:
                yield folder
                _sync(folder)
                _take_place(folder, path)
        else:
            _refuse_other(target, [uri.rpartition("/")[2] for uri in storage.list_files(target)])
            with tempfile.TemporaryDirectory(prefix="ostinato-") as name:
                yield Path(name)
                _upload(Path(name), target)


@contextlib.contextmanager
def _explained(target: str) -> Iterator[None]:
    """Trouble with writing is the user's to mend."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        where = str(error.filename or target)
        hint = "free some space, or choose another folder" if error.errno == errno.ENOSPC else ""
        raise DataError(Problem(where, f"can't be written: {error.strerror}", hint=hint)) from error


def _refuse_other(target: str, names: list[str], is_file: bool = False) -> None:
    if is_file or (names and not {BUNDLE, UNFINISHED} & set(names)):
        raise DataError(Problem(target, "exists and is no bundle; nothing was written"))


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A new folder of a name of its own, locked while it is ours; what killed runs left is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.tmp"):
        with _locked(left) as is_ours:
            if is_ours:
                shutil.rmtree(left, ignore_errors=True)
    while True:
        folder = _new_name(target)
        folder.mkdir()
        with _locked(folder) as is_ours:
            if is_ours and folder.exists():  # else another export took it for a killed run's
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return


def _new_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether nobody else has the folder; then it is ours until the block ends, or this process does."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """All of it is on the disk before it has the name of a bundle."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take_place(folder: Path, target: Path) -> None:
    """Renames the folder to the target; a bundle that is there goes."""
    while True:
        try:
            folder.rename(target)  # also over an empty folder
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        aside = _new_name(target)
        with contextlib.suppress(FileNotFoundError):  # another export has just moved it
            target.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _upload(folder: Path, target: str) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.name != BUNDLE)
    storage.write_bytes_atomic(f"{target}/{UNFINISHED}", b"")
    storage.remove(f"{target}/{BUNDLE}")
    for name in (*names, BUNDLE):
        storage.upload(str(folder / name), f"{target}/{name}")
    for uri in storage.list_files(target):
        if uri.rpartition("/")[2] not in (*names, BUNDLE):
            storage.remove(uri)
    load_bundle(target)  # two exports to the same place at once may have mixed their files
