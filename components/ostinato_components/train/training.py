"""From a data folder to a trained model."""

from __future__ import annotations

import logging
import time

import torch

from ostinato.artifacts import Manifest, SplitName
from ostinato.config import Config, GlobalPreprocessingSpec
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Interrupted, Problem
from ostinato.model.ecd import ECD
from ostinato.trainer.batch_size import host_memory
from ostinato.trainer.device import deterministic, pick_device
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Progress, suitable
from ostinato.trainer.rows import Rows
from ostinato.trainer.trivial import no_better_than_trivial
from ostinato_components.train.folder import ModelFolder
from ostinato_components.train.refit import refit, wants_refit
from ostinato_components.train.step import TrainResult

log = logging.getLogger("ostinato.train")

_FIT_ROWS = 200_000
"""Training rows from which encoders learn bin edges and target means."""
_MEMORY_SHARE = 0.6
"""Share of the memory that the encoded rows may take; the rest is for the network and its activations."""


def train(
    data_folder: str,
    config: Config,
    model_folder: str,
    *,
    seed: int,
    progress: Progress | None,
    learning_curves_path: str,
    skip_save_progress: bool,
    skip_save_log: bool,
) -> TrainResult:
    """See `step.run`."""
    data = DataFolder(data_folder)
    config = with_split(config, data.manifest)
    check_rows(data, config)
    device = pick_device()
    folder = ModelFolder(model_folder, data, config, skip_save_progress)
    # The caller's random numbers stay as they are.
    with (
        torch.random.fork_rng(),
        deterministic(device),
        suitable() if progress is None else progress as shown,
        Interruption() as interruption,
    ):
        torch.manual_seed(seed)
        trainer = make_trainer(data, config, seed, device, shown)
        trainer.keep = folder.keep
        started = time.monotonic()
        try:
            trainer.train(interruption)
            # Before a refit, which has seen the validation rows.
            warnings = _warnings(trainer)
            if wants_refit(trainer):
                refit(trainer, data, seed, interruption, shown)
        finally:
            folder.write_best(trainer)
        result = _result(trainer, time.monotonic() - started, warnings)
    folder.write_record(result, trainer.history.learning_rates)
    folder.write_curves(result, trainer.history.steps, learning_curves_path, skip_save_log)
    if result.stopped == "interrupted":
        raise Interrupted(_interrupted(model_folder, result))
    for warning in result.warnings:
        if warning not in trainer.state.warnings:  # those were told when they arose
            log.warning("%s", warning)
    return result


def with_split(config: Config, manifest: Manifest) -> Config:
    """The config with the split that was in force: a column of the data may have told it, and the model should know."""
    if manifest.split is None:
        return config
    preprocessing = config.preprocessing.model_dump() | {"split": manifest.split}
    return config.model_copy(update={"preprocessing": GlobalPreprocessingSpec.model_validate(preprocessing)})


def check_rows(data: DataFolder, config: Config) -> None:
    """Whether there is something to train on that fits into memory.

    Raises:
        DataError: there are no training rows, or they do not fit.
    """
    if not data.manifest.rows("training"):
        raise DataError(
            Problem("", "there are no training rows", hint="see preprocessing.split, and the report of the data")
        )
    shapes = data.shapes(config)
    values = sum(shape.length or 1 for shape in shapes.values())
    # The rows as they are read, and once more as tensors.
    needed = 2 * 4 * values * (data.manifest.rows("training") + data.manifest.rows("validation"))
    available = int(_MEMORY_SHARE * host_memory())
    if needed > available:
        raise DataError(
            Problem(
                "",
                f"training needs {needed / 1e9:.1f} GB of memory for its rows; {available / 1e9:.1f} GB may be used",
                hint="give the step more memory, use fewer rows (preprocessing.sample_ratio), or shorter texts "
                "(max_sequence_length)",
            )
        )


def make_trainer(data: DataFolder, config: Config, seed: int, device: torch.device, progress: Progress) -> Trainer:
    """The model of the config, its encoders fitted on training rows, and the rows in memory."""
    shapes = data.shapes(config)
    model = ECD(config, shapes).to(device)
    names = [feature.name for feature in (*config.input_features, *config.output_features)]

    def rows(split: SplitName) -> Rows:
        return Rows(data.read(split, names), device)

    training = rows("training")
    sample = training.sample(_FIT_ROWS)
    model.fit(sample, sample)
    return Trainer(
        model,
        config,
        data.fitted(config),
        training=training,
        validation=rows("validation"),
        seed=seed,
        device=device,
        progress=progress,
    )


def _result(trainer: Trainer, training_s: float, warnings: list[str]) -> TrainResult:
    state, config = trainer.state, trainer.config
    every_step = config.trainer.steps_per_checkpoint or config.trainer.checkpoints_per_epoch
    history = (
        trainer.history.to_json(trainer.steps_per_evaluation, "step")
        if every_step
        else trainer.history.to_json(1, "epoch")
    )
    return TrainResult(
        history=history,
        metric=str(trainer.decision),
        best_value=state.best_value,
        best_epoch=state.best_epoch,
        best_step=state.best_step,
        best_metrics=state.best_metrics,
        epochs=state.epoch,
        steps=state.step,
        stopped=state.stopped,
        batch_size=trainer.batches.batch_size,
        num_parameters=trainer.num_parameters,
        training_s=training_s,
        warnings=(*state.warnings, *warnings),
    )


def _warnings(trainer: Trainer) -> list[str]:
    """What a person should know of the best model."""
    if trainer.config.trainer.skip_all_evaluation or not trainer.has_model:
        return []
    decided = trainer.validation if trainer.decision.split == "validation" else trainer.training
    scores, targets = trainer.evaluator.scores(trainer.model, decided)
    rows = trainer.training.all()
    found = (
        no_better_than_trivial(output, scores[output.name], targets[output.name], rows[output.name].cpu().numpy())
        for output in trainer.config.output_features
    )
    return [warning for warning in found if warning is not None]


def _interrupted(model_folder: str, result: TrainResult) -> str:
    found = f"training was interrupted at step {result.steps} (epoch {result.epochs})"
    if result.best_value is None:
        return f"{found}, before its first evaluation: there is no model yet"
    return f"{found}; the best model so far, of epoch {result.best_epoch:g}, is in {model_folder}"
