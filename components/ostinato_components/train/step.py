"""Trains a model on a data folder and writes the model folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from ostinato.config import Config
from ostinato.load import canonical_json, render
from ostinato_components.train.job import Job

if TYPE_CHECKING:
    from ostinato.trainer.progress import Progress


@dataclass(frozen=True)
class TrainResult:
    """What came of training; the model itself lies in the model folder."""

    history: dict[str, Any]
    """The content of `training_statistics.json`."""
    metric: str
    """What decided on the best model, as `output.metric (split rows)`."""
    best_value: float | None
    """Its best value; None where nothing was evaluated."""
    best_epoch: float
    best_step: int
    best_metrics: dict[str, dict[str, float]]
    """All metrics of the best model on the rows that decided."""
    epochs: int
    """Whole epochs trained."""
    steps: int
    stopped: str
    """Why training ended: `epochs`, `train_steps`, `early_stop`, `interrupted`."""
    batch_size: int
    """Rows of a step, of all processes together."""
    learning_rate: float
    """Before any schedule."""
    num_parameters: int
    """Trainable parameters."""
    num_processes: int
    training_s: float
    """Seconds spent on training and evaluation; since the last start, where it was resumed."""
    rows_per_s: float
    """Rows trained on in a second, evaluations not counted."""
    data_wait_share: float
    """Share of the training time in which nothing but data was waited for."""
    peak_memory_bytes: int
    """Most memory in use: of the GPU, or of the process."""
    warnings: tuple[str, ...]


CHECKPOINTS = "OSTINATO_CHECKPOINTS"
"""Environment variable: folder of checkpoints where the config names no storage."""
RESUME = "OSTINATO_RESUME"
"""Environment variable: `0` begins anew where a step would go on from a checkpoint."""


class Checkpointing(TypedDict):
    """Arguments of `run`."""

    checkpoints: str
    resume: bool


def checkpointing(config: Config, model_folder: str) -> Checkpointing:
    """Where a step that runs by itself keeps its checkpoints, and that it goes on from one that is there.

    In `backend.storage`, where a new run finds them; else in the folder that the environment names; else beside the
    model, where they serve a worker that is started again.
    """
    return {
        "checkpoints": checkpoint_folder(config, os.environ.get(CHECKPOINTS) or f"{model_folder}.checkpoints"),
        "resume": os.environ.get(RESUME) != "0",
    }


def checkpoint_folder(config: Config, otherwise: str) -> str:
    """The folder of checkpoints in the storage of the config, or another where it has none."""
    storage = config.backend.storage
    return f"{storage.rstrip('/')}/checkpoints" if storage else otherwise


def run(
    data_folder: str,
    config: Config,
    model_folder: str,
    *,
    seed: int = 42,
    progress: Progress | None = None,
    checkpoints: str = "",
    resume: bool = False,
    is_supervised: bool = False,
    learning_curves_path: str = "",
    skip_save_progress: bool = False,
    skip_save_log: bool = False,
) -> TrainResult:
    """Trains, and leaves the best model by the validation metric in the model folder.

    Args:
        data_folder: What the step preprocess wrote.
        config: The config that the data was preprocessed with.
        model_folder: Where the model goes. Its weights are written whole, and only when they are the best so far.
        seed: Seed of the weights, of dropout and of the order of the rows. Same seed and machine: same model.
        progress: Whom to tell how it goes; None for a bar on a terminal and plain lines elsewhere.
        checkpoints: URI of the folder below which checkpoints go; empty for none.
        resume: Whether to go on from a checkpoint of the same config, rows and seed.
        is_supervised: Trains in a process of its own, which is started again from its checkpoint when it crashes or
            hangs. Several processes (`backend.trainer.num_workers`) always are.
        learning_curves_path: File for the learning curves; empty for `learning_curves.html` in the model folder.
        skip_save_progress: Writes the model at the end only.
        skip_save_log: Writes no learning curves to the model folder.

    Raises:
        DataError: there are no training rows, or a shard is missing or damaged.
        ConfigError: training diverged, or parts of the config do not go together.
        Interrupted: stopped by Ctrl-C or SIGTERM; the best model so far is in the model folder, if there was one.
        OstinatoError: the processes crashed again and again.
    """
    # Here, so that the package can be imported, for compiling a pipeline, without torch.
    from ostinato_components.train.processes import num_processes

    job = Job(
        data_folder=str(data_folder),
        config=canonical_json(render(config)),
        model_folder=str(model_folder),
        seed=seed,
        checkpoints=checkpoints,
        resume=resume,
        learning_curves_path=learning_curves_path,
        skip_save_progress=skip_save_progress,
        skip_save_log=skip_save_log,
    )
    count = num_processes(config.backend.trainer)
    if count > 1 or is_supervised:
        from ostinato_components.train.supervisor import supervise

        return supervise(job, processes=count, spec=config.backend.trainer)
    from ostinato_components.train.training import train

    return train(job, progress)
