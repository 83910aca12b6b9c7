"""Where training is, kept so that another process can go on from there to the last bit.

One safetensors file a process and step: `step-0000000120.0-of-2.<digest>.safetensors`. The name holds the digest of the
content, so a file that is not whole is known by its name; a step counts when the files of all processes are there. The
last two steps are kept. What training goes on to change is written to a local disk at once, which is quicker than
a copy is worth; bringing it to its place, and through to the disk, is done by a thread while training goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safetensors.torch import load as read_tensors

from ostinato import storage
from ostinato.errors import DataError
from ostinato.model.tensor_file import chunks
from ostinato.trainer.packing import pack, unpack

_KEPT = 2
_LEAST_INTERVALS = 50
"""An interval is at least so many times what a checkpoint costs."""
_HEADER = "state"
_DIGITS = 16
_SPOOL = ".ostinato-checkpoint-"
_STALE_S = 3600.0
_NAME = re.compile(r"step-(\d+)\.(\d+)-of-(\d+)\.([0-9a-f]{16})\.safetensors$")


class Checkpoints:
    """The checkpoints of one training below a folder (a path or URI), as one of its processes sees them."""

    def __init__(self, folder: str, interval_s: float, rank: int = 0, size: int = 1) -> None:
        self.folder = folder.rstrip("/")
        self.step = 0
        """Step of the last checkpoint that is whole, 0 where there is none."""
        self.failure = ""
        """Why the last one could not be written; empty where it could."""
        self._interval_s = interval_s
        self._rank, self._size = rank, size
        self._cost_s = 0.0
        self._last = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None
        self._followed_by: Checkpoints | None = None

    def is_due(self) -> bool:
        """Whether it is time for the next one, and the one before is written."""
        waited = time.monotonic() - self._last
        is_free = self._pending is None or self._pending.done()
        # Begun so early that it is whole when the interval is over: no more work than that is ever lost.
        return waited >= max(self._interval_s - self._cost_s, _LEAST_INTERVALS * self._cost_s) and is_free

    def write(self, step: int, state: Any) -> None:
        """Writes the state to a file of this machine, which goes to its place in the background."""
        started = time.monotonic()
        self.wait()
        value, tensors = pack(state)
        try:
            spooled, digest = self._spooled(chunks(tensors, {_HEADER: json.dumps(value)}))
        except OSError as error:
            # Training is worth more than its checkpoint; who needs it is told.
            self.failure = str(error)
        else:
            name = f"step-{step:010d}.{self._rank}-of-{self._size}.{digest}.safetensors"
            self._pending = self._thread.submit(self._publish, step, spooled, name, time.monotonic() - started)
        self._last = time.monotonic()

    def wait(self) -> None:
        """Until what is being written is written."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def close(self) -> None:
        """Waits, and ends the thread; of what follows as well."""
        if self._followed_by is not None:
            self._followed_by.close()
        self._thread.shutdown()

    def following(self, name: str) -> Checkpoints:
        """Those of another training that goes on where this one ends; they go with these."""
        self._followed_by = Checkpoints(f"{self.folder}/{name}", self._interval_s, self._rank, self._size)
        return self._followed_by

    def steps(self) -> list[int]:
        """Steps of which this process has a file under the right number of processes, rising."""
        return sorted(self._files())

    def read(self, step: int) -> Any | None:
        """The state at a step; None where the file is damaged or gone."""
        for name in self._files().get(step, []):
            try:
                content = storage.read_bytes(f"{self.folder}/{name}")
            except (DataError, OSError):
                continue
            if hashlib.sha256(content).hexdigest()[:_DIGITS] == _NAME.search(name)[4]:  # type: ignore[index]  # it has such a name
                self.step = step
                return _unpacked(content)
        return None

    def remove(self) -> None:
        """Takes the folder away, with the checkpoints of all processes; the first one does it."""
        self.wait()
        self.step = 0
        if self._rank == 0:
            storage.remove(self.folder)
            if storage.is_local(self.folder):
                with contextlib.suppress(OSError):  # those of other trainings may be beside it
                    Path(storage.local_path(self.folder)).parent.rmdir()

    def _spooled(self, content: Iterable[bytes | memoryview]) -> tuple[Path, str]:
        """A file with the content, in the folder itself where that is of this machine, and its digest."""
        is_local = storage.is_local(self.folder)
        folder = Path(storage.local_path(self.folder)) if is_local else Path(tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_SPOOL}{self._rank}-{os.getpid()}"
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                for piece in content:
                    digest.update(piece)
                    file.write(piece)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._remove_stale(path)
        return path, digest.hexdigest()[:_DIGITS]

    def _remove_stale(self, path: Path) -> None:
        """Removes what processes that were killed left beside a file of ours."""
        for old in path.parent.glob(f"{_SPOOL}{self._rank}-*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime - old.stat().st_mtime > _STALE_S:
                    old.unlink()

    def _publish(self, step: int, spooled: Path, name: str, spooled_s: float) -> None:
        started = time.monotonic()
        try:
            if storage.is_local(self.folder):
                with spooled.open("rb") as file:
                    os.fsync(file.fileno())
                spooled.replace(spooled.with_name(name))
                storage.sync_folder(spooled.parent)
            else:
                storage.upload(str(spooled), f"{self.folder}/{name}")
                spooled.unlink()
            self.step, self.failure = step, ""
            files = self._files()
            for old in sorted(files)[:-_KEPT]:
                for file_name in files[old]:
                    storage.remove(f"{self.folder}/{file_name}")
        except (OSError, DataError) as error:
            self.failure = str(error)
            with contextlib.suppress(OSError):
                spooled.unlink(missing_ok=True)
        self._cost_s = spooled_s + time.monotonic() - started

    def _files(self) -> dict[int, list[str]]:
        """Names of this process's files by step."""
        found: dict[int, list[str]] = {}
        for name in _names(self.folder):
            step, rank, size, _ = _NAME.search(name).groups()  # type: ignore[union-attr]
            if (int(rank), int(size)) == (self._rank, self._size):
                found.setdefault(int(step), []).append(name)
        return found


def _names(folder: str) -> list[str]:
    """Names of the checkpoint files of a folder."""
    names = (uri.rpartition("/")[2] for uri in storage.list_files(folder))
    return [name for name in names if _NAME.search(name)]


def _unpacked(content: bytes) -> Any:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return unpack(json.loads(header["__metadata__"][_HEADER]), read_tensors(content))
