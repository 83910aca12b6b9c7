"""How many processes train on this machine."""

from __future__ import annotations

import torch

from ostinato.backend.spec import TrainerBackendSpec
from ostinato.errors import ConfigError, Problem


def num_processes(spec: TrainerBackendSpec) -> int:
    """What the config says; for `auto` one a GPU, and one where there is none.

    Raises:
        ConfigError: more processes than GPUs are asked for.
    """
    num_gpus = torch.cuda.device_count()
    if spec.num_workers == "auto":
        return max(1, num_gpus)
    if num_gpus and spec.num_workers > num_gpus:
        message = f"asks for {spec.num_workers} processes, and this machine has {num_gpus} GPUs"
        raise ConfigError(Problem("backend.trainer.num_workers", message, f"at most {num_gpus}, or auto"))
    return spec.num_workers
