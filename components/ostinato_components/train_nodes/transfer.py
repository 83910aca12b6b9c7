"""Folders that go to the storage and come back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ostinato import storage
from ostinato.artifacts import MANIFEST


def files(uri: str) -> dict[str, str]:
    """URI -> what tells a version of the file from another, of all files below a URI; none where there is nothing."""
    with storage.explained(uri):
        system, path = storage.filesystem(uri)
        found = system.find(path, detail=True)
    scheme = uri.partition("://")[0]
    return {
        f"{scheme}://{name.lstrip('/')}": f"{about.get('size')} {about.get('ETag') or about.get('LastModified')}"
        for name, about in sorted(found.items())
    }


def upload(folder: str, uri: str) -> None:
    """Copies the files of a local folder below a URI, the manifest last: with it the copy is whole."""
    root = Path(storage.local_path(folder))
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != MANIFEST]
    for group in (paths, [root / MANIFEST]):
        with storage.explained(uri):
            system, target = storage.filesystem(uri)
            names = [path.relative_to(root).as_posix() for path in group]
            system.put([str(path) for path in group], [f"{target}/{name}" for name in names])


def download(uri: str, folder: str) -> None:
    """Copies what lies below a URI into a local folder, which appears only when it is whole."""
    target = Path(folder)
    scratch = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    with storage.explained(uri):
        system, source = storage.filesystem(uri)
        names = system.find(source)
        paths = [scratch / name.removeprefix(source).lstrip("/") for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        system.get(names, [str(path) for path in paths])
    shutil.rmtree(target, ignore_errors=True)
    os.replace(scratch, target)


def remove(uri: str) -> None:
    """Removes all files below a URI."""
    with storage.explained(uri):
        system, path = storage.filesystem(uri)
        if names := system.find(path):
            system.rm(names)
