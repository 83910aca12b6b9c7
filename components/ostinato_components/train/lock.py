"""The lock record of a training: what it came of, and where it was done."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from ostinato import __version__, storage
from ostinato.artifacts import WEIGHTS, Manifest, Shard
from ostinato.errors import shown
from ostinato.lock import GIT_SHA, IMAGE, DataLock, Hardware, Lock, SplitLock
from ostinato.resources import usable_cores
from ostinato_components.train.job import Job
from ostinato_components.train.step import TrainResult

_LIBRARIES = ("numpy", "pyarrow", "safetensors", "torch")
_GIT_PATIENCE_S = 5.0


def lock_of(job: Job, manifest: Manifest, result: TrainResult, device: str) -> Lock:
    """What the model in the folder of a job came of."""
    weights = storage.read_bytes(f"{job.model_folder.rstrip('/')}/{WEIGHTS}")
    return Lock(
        config=json.loads(job.config),
        seed=job.seed,
        data=DataLock(
            source=shown(manifest.source),
            digest=manifest.source_digest,
            seed=manifest.seed,
            split=manifest.split,
            splits={name: split_lock(shards) for name, shards in manifest.splits.items()},
        ),
        versions=versions(),
        hardware=hardware(device, result.num_processes),
        image=os.environ.get(IMAGE, ""),
        git_sha=git_sha(),
        weights=hashlib.sha256(weights).hexdigest(),
        metrics=result.best_metrics,
    )


def split_lock(shards: tuple[Shard, ...]) -> SplitLock:
    """The rows of a split."""
    digests = " ".join(shard.sha256 for shard in shards)
    return SplitLock(rows=sum(shard.rows for shard in shards), digest=hashlib.sha256(digests.encode()).hexdigest())


def versions() -> dict[str, str]:
    """Of Python, Ostinato and the libraries that decide on a bit of the result."""
    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), "ostinato": __version__, **libraries}


def hardware(device: str, processes: int) -> Hardware:
    """This machine, of which so many processes trained."""
    import torch

    gpus = range(torch.cuda.device_count())
    return Hardware(
        machine=platform.machine(),
        cpu=_cpu(),
        cores=usable_cores(),
        device=device,
        gpus=tuple(torch.cuda.get_device_name(gpu) for gpu in gpus),
        processes=processes,
    )


def _cpu(path: Path = Path("/proc/cpuinfo")) -> str:
    """The processor, as it names itself."""
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1].strip() if found else platform.processor()


def git_sha() -> str:
    """The commit that the environment names, or that of the working directory; empty where there is none."""
    if sha := os.environ.get(GIT_SHA):
        return sha
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    try:
        done = subprocess.run(  # noqa: S603 (a command without any input)
            command, capture_output=True, text=True, timeout=_GIT_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
