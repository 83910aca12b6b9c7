"""A trainer for a config and the rows of a data folder."""

from __future__ import annotations

import torch

from ostinato.config import Config
from ostinato.dataset import DataFolder
from ostinato.model.ecd import ECD
from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.loop import Trainer
from ostinato.trainer.processes import Processes
from ostinato.trainer.progress import Progress
from ostinato.trainer.rows import Rows

_FIT_ROWS = 200_000
"""Training rows from which encoders learn bin edges and target means."""


def make_trainer(
    data: DataFolder,
    config: Config,
    *,
    training: Rows,
    validation: Rows,
    seed: int,
    progress: Progress,
    processes: Processes,
    checkpoints: Checkpoints | None,
) -> Trainer:
    """The model of the config, its weights drawn and its encoders fitted on training rows, with its trainer."""
    torch.manual_seed(seed)
    model = ECD(config, data.shapes(config))
    # On the CPU: bin edges and means are the same bits wherever training is, and sorting needs no memory of the GPU.
    sample = {name: column.cpu() for name, column in training.sample(_FIT_ROWS).items()}
    model.fit(sample, sample)
    model.to(processes.device)
    trainer = Trainer(
        model,
        config,
        data.fitted(config),
        training=training,
        validation=validation,
        seed=seed,
        progress=progress,
        processes=processes,
        checkpoints=checkpoints,
    )
    if processes.rank:
        # Dropout is another one on each process; the weights were drawn alike.
        torch.manual_seed(seed + processes.rank)
    return trainer
