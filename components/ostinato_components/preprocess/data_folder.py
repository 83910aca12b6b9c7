"""Writing a data folder so that it is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ostinato import storage
from ostinato.artifacts import MANIFEST, METADATA, PREPROCESSING_STATISTICS, SPLIT_NAMES, Manifest
from ostinato.errors import DataError, Problem

_TEMPORARY = ".tmp"


@contextmanager
def working_folder(data_folder: str) -> Iterator[Path]:
    """A folder for what is being written, removed at the end, beside the result where that is local.

    Raises:
        DataError: it can't be made, or the disk is full.
    """
    is_local = storage.is_local(data_folder)
    folder = Path(storage.local_path(data_folder), _TEMPORARY) if is_local else None
    try:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="ostinato-"))
        else:
            shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
            folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        if error.errno is None:  # Arrow's own, from whatever it read or wrote
            raise DataError(Problem("", f"reading or writing failed: {error}")) from error
        where = str(error.filename or data_folder)
        hint = "preprocessing needs room for about three times the encoded rows" if error.errno == errno.ENOSPC else ""
        raise DataError(Problem(where, f"can't be written: {error.strerror}", hint=hint)) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def publish(
    folder: Path, data_folder: str, manifest: Manifest, metadata: Mapping[str, Any], statistics: Mapping[str, Any]
) -> None:
    """Moves the shards from the working folder to their place, and writes the manifest last."""
    is_local = storage.is_local(data_folder)
    target = Path(storage.local_path(data_folder))
    if is_local:
        (target / MANIFEST).unlink(missing_ok=True)
        for split in SPLIT_NAMES:
            for old in target.glob(f"{split}-*.parquet"):
                old.unlink()
    for shards in manifest.splits.values():
        for shard in shards:
            if is_local:
                os.replace(folder / shard.path, target / shard.path)
            else:
                storage.upload(str(folder / shard.path), f"{data_folder}/{shard.path}")
    for name, value in ((METADATA, metadata), (PREPROCESSING_STATISTICS, statistics)):
        storage.write_bytes_atomic(f"{data_folder}/{name}", _json(value))
    storage.write_bytes_atomic(f"{data_folder}/{MANIFEST}", _json(manifest.model_dump(mode="json")))


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
