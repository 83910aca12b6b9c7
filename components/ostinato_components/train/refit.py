"""Training once more, on all rows that are not for testing, when the best number of steps is known."""

from __future__ import annotations

import numpy as np
import torch

from ostinato.artifacts import SplitName
from ostinato.dataset import DataFolder
from ostinato.model.ecd import ECD
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Progress, Quiet
from ostinato.trainer.rows import Rows

FEW_ROWS = 5_000
"""Training rows below which `refit: auto` trains again: what 15 % more rows give is worth more than the time."""


def wants_refit(trainer: Trainer) -> bool:
    """Whether the config asks for it, and validation rows have told the best step."""
    spec = trainer.config.trainer
    wanted = spec.is_rate_constant and len(trainer.training) < FEW_ROWS if spec.refit == "auto" else spec.refit
    told = trainer.decision.split == "validation" and trainer.state.best_step > 0
    return wanted and told and trainer.state.stopped != "interrupted" and not spec.skip_all_evaluation


def refit(trainer: Trainer, data: DataFolder, seed: int, interruption: Interruption, progress: Progress) -> None:
    """Gives the trainer's model the weights of a training on training and validation rows together.

    As many passes as the best step was; metrics and history stay those of the first training, on rows that it had not
    seen. The scales of the columns stay those of the training rows, a calibration that of the first model.
    """
    first, config, device = trainer.model, trainer.config, next(trainer.model.parameters()).device
    names = [feature.name for feature in (*config.input_features, *config.output_features)]
    training, validation = (data.read(split, names) for split in _SPLITS)
    rows = Rows({name: np.concatenate([training[name], validation[name]]) for name in names}, device)
    steps = max(1, round(trainer.state.best_step * len(rows) / len(trainer.training)))
    repeated = {"train_steps": steps, "skip_all_evaluation": True, "batch_size": trainer.batches.batch_size}
    config = config.model_copy(update={"trainer": config.trainer.model_copy(update=repeated)})
    torch.manual_seed(seed)
    model = ECD(config, data.shapes(config)).to(device)
    sample = rows.sample(len(rows))
    model.fit(sample, sample)
    none = Rows({name: column[:0] for name, column in training.items()}, device)
    second = Trainer(
        model, config, trainer.fitted, training=rows, validation=none, seed=seed, device=device, progress=Quiet()
    )
    second.train(interruption)
    if second.state.stopped == "interrupted":
        trainer.state.stopped = "interrupted"
        return
    weights = model.state_dict()
    weights |= {name: value for name, value in first.state_dict().items() if name.endswith("temperature")}
    first.load_state_dict(weights)
    progress.note(f"trained again on all {len(rows):,} rows that are not for testing, for {steps} steps")


_SPLITS: tuple[SplitName, SplitName] = ("training", "validation")
