"""Training once more, on all rows that are not for testing, when the best number of steps is known."""

from __future__ import annotations

from ostinato.dataset import DataFolder
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Quiet
from ostinato_components.train.assembly import make_trainer
from ostinato_components.train.heartbeat import with_heartbeat
from ostinato_components.train.rows import RowsOfFolder

FEW_ROWS = 5_000
"""Training rows below which `refit: auto` trains again: what 15 % more rows give is worth more than the time."""


def wants_refit(trainer: Trainer) -> bool:
    """Whether the config asks for it, and validation rows have told the best step."""
    spec = trainer.config.trainer
    wanted = spec.is_rate_constant and len(trainer.training) < FEW_ROWS if spec.refit == "auto" else spec.refit
    told = trainer.decision.split == "validation" and trainer.state.best_step > 0
    return wanted and told and not trainer.state.is_interrupted and not spec.skip_all_evaluation


def refit(trainer: Trainer, data: DataFolder, rows: RowsOfFolder, seed: int, interruption: Interruption) -> None:
    """Gives the trainer's model the weights of a training on training and validation rows together.

    As many passes as the best step was; metrics and history stay those of the first training, on rows that it had not
    seen. The scales of the columns stay those of the training rows, a calibration that of the first model.
    """
    first, batches, processes = trainer.model, trainer.batches, trainer.processes
    both = rows.of("training", "validation")
    steps = max(1, round(trainer.state.best_step * len(both) / len(trainer.training)))
    repeated = {
        "train_steps": steps,
        "skip_all_evaluation": True,
        "batch_size": "auto",
        "effective_batch_size": batches.batch_size * batches.accumulation,
        "gradient_accumulation_steps": batches.accumulation,
        "learning_rate": trainer.learning_rate,
        "learning_rate_scaling": "constant",
    }
    config = trainer.config.model_copy(update={"trainer": trainer.config.trainer.model_copy(update=repeated)})
    checkpoints = trainer.checkpoints.following("refit") if trainer.checkpoints is not None else None
    second = make_trainer(
        data,
        config,
        training=both,
        validation=rows.of(),
        seed=seed,
        progress=with_heartbeat(Quiet(), trainer.checkpoints),
        processes=processes,
        checkpoints=checkpoints,
    )
    second.resume()
    second.train(interruption)
    if second.state.is_interrupted:
        trainer.state.stopped = "interrupted"
        return
    weights = second.model.state_dict()
    weights |= {name: value for name, value in first.state_dict().items() if name.endswith("temperature")}
    first.load_state_dict(weights)
