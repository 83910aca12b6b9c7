"""How many processes train on this machine."""

from __future__ import annotations

from pathlib import Path

from ostinato.backend.spec import TrainerBackendSpec
from ostinato.errors import ConfigError, OstinatoError, Problem

_DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Device files of GPUs: of NVIDIA, of AMD, of Windows under WSL."""


def num_processes(spec: TrainerBackendSpec) -> int:
    """What the config says; for `auto` one a GPU, and one where there is none.

    Raises:
        ConfigError: more processes than GPUs are asked for.
    """
    num_gpus = _num_gpus()
    if spec.num_workers == "auto":
        return max(1, num_gpus)
    if num_gpus and spec.num_workers > num_gpus:
        message = f"asks for {spec.num_workers} processes, and this machine has {num_gpus} GPUs"
        raise ConfigError(Problem("backend.trainer.num_workers", message, f"at most {num_gpus}, or auto"))
    return spec.num_workers


def check_accelerators(asked: str) -> None:
    """Nothing, if there is an accelerator or none was asked for.

    Raises:
        OstinatoError: it would train on CPUs for days where somebody pays for GPUs.
    """
    if asked.strip() not in ("", "0") and not _num_gpus():
        message = f"{asked} were asked for, and this pod has none that torch can use"
        hint = "an image with torch for CPUs only, or a cluster that gives the pod no device"
        raise OstinatoError(Problem("accelerators", message, hint=hint))


def _num_gpus() -> int:
    # Importing torch takes seconds, which a supervisor without a GPU need not wait for.
    if not any(any(Path("/dev").glob(pattern)) for pattern in _DEVICES):
        return 0
    import torch

    return torch.cuda.device_count()
