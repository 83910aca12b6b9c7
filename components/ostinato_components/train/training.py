"""From a data folder to a trained model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Iterator

import pyarrow as pa
import torch

from ostinato import __version__
from ostinato.artifacts import Manifest
from ostinato.config import Config, GlobalPreprocessingSpec
from ostinato.dataset import DataFolder
from ostinato.errors import Interrupted, Problem
from ostinato.load import AFTERWARDS, GUARDS, canonical_json, from_json, render
from ostinato.resources import freed_memory_kept, return_freed_memory
from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.device import deterministic
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.processes import Processes, together
from ostinato.trainer.progress import Progress, Quiet, suitable
from ostinato.trainer.running import peak_memory_bytes
from ostinato.trainer.sharing import whole_state
from ostinato.trainer.trivial import no_better_than_trivial
from ostinato_components.train.assembly import make_trainer
from ostinato_components.train.curves import pace
from ostinato_components.train.folder import ModelFolder
from ostinato_components.train.heartbeat import with_heartbeat
from ostinato_components.train.job import Job
from ostinato_components.train.refit import refit, wants_refit
from ostinato_components.train.rows import RowsOfFolder
from ostinato_components.train.step import TrainResult

log = logging.getLogger("ostinato.train")


def train(job: Job, progress: Progress | None = None) -> TrainResult:
    """See `step.run`; alone, or as one of the processes that torchrun started."""
    data = DataFolder(job.data_folder)
    config = with_split(from_json(job.config), data.manifest)
    options = config.backend.trainer
    # The caller's random numbers stay as they are.
    with (
        torch.random.fork_rng(),
        together(options.hang_timeout_s) as processes,
        deterministic(processes.device),
        freed_memory_kept(),
        Interruption() as interruption,
        _checkpoints(job, data, config, processes) as checkpoints,
        _shown(progress, checkpoints, processes) as shown,
    ):
        folder = ModelFolder(job, data, config) if processes.is_first else None
        rows = RowsOfFolder(data, config, processes)
        training, validation = rows.of("training"), rows.of("validation")
        # What reading, and in one process preprocessing before it, needed and training does not.
        pa.default_memory_pool().release_unused()
        return_freed_memory()
        trainer = make_trainer(
            data,
            config,
            training=training,
            validation=validation,
            seed=job.seed,
            progress=shown,
            processes=processes,
            checkpoints=checkpoints,
        )
        if folder is not None:
            trainer.keep = folder.keep
        if trainer.resume():
            shown.note(f"goes on from step {trainer.state.step} (epoch {trainer.state.epoch})")
        started = time.monotonic()
        warnings: list[str] = []
        try:
            trainer.train(interruption)
            # Before a refit, which has seen the validation rows.
            warnings = _warnings(trainer, data)
            if wants_refit(trainer):
                refit(trainer, data, rows, job.seed, interruption)
                shown.note("trained again on all rows that are not for testing")
        finally:
            # Whole weights are put together by all processes, also where only the first one writes them.
            weights = whole_state(trainer.model)
            if folder is not None:
                folder.write_best(trainer, weights)
        result = _result(trainer, time.monotonic() - started, warnings)
        if folder is not None:
            folder.write_record(result, trainer)
        if result.stopped == "interrupted":
            raise Interrupted(_interrupted(job, result, checkpoints))
        if processes.is_first:
            log.info("trained %d steps: %s", result.steps, pace(result))
        for warning in result.warnings if processes.is_first else ():
            if warning not in trainer.state.warnings:  # those were told when they arose
                log.warning("%s", warning)
        return result


def _shown(progress: Progress | None, checkpoints: Checkpoints | None, processes: Processes) -> Progress:
    """Whom to tell how it goes: the first process speaks for all."""
    if not processes.is_first:
        return Quiet()
    return with_heartbeat(suitable() if progress is None else progress, checkpoints)


@contextlib.contextmanager
def _checkpoints(job: Job, data: DataFolder, config: Config, processes: Processes) -> Iterator[Checkpoints | None]:
    """Where this training's checkpoints lie: below a key of all that it depends on; removed when it ends well."""
    if not job.checkpoints:
        yield None
        return
    key = training_key(config, data.manifest, job.seed)
    interval_s = config.backend.trainer.checkpoint_interval_s
    checkpoints = Checkpoints(f"{job.checkpoints.rstrip('/')}/{key}", interval_s, processes.rank, processes.size)
    if not job.resume:
        checkpoints.remove()
    try:
        yield checkpoints
        checkpoints.remove()
    finally:
        checkpoints.close()


def training_key(config: Config, manifest: Manifest, seed: int) -> str:
    """The same for the same config, rows, seed and version of the library; who does the work where is no part of it."""
    shards = [shard.sha256 for shards in manifest.splits.values() for shard in shards]
    what = [
        __version__,
        canonical_json(render(config) | dict.fromkeys(("backend", *GUARDS, *AFTERWARDS))),
        shards,
        seed,
    ]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:24]


def with_split(config: Config, manifest: Manifest) -> Config:
    """The config with the split that was in force: a column of the data may have told it, and the model should know."""
    if manifest.split is None:
        return config
    preprocessing = config.preprocessing.model_dump() | {"split": manifest.split}
    return config.model_copy(update={"preprocessing": GlobalPreprocessingSpec.model_validate(preprocessing)})


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
        learning_rate=trainer.learning_rate,
        num_parameters=trainer.num_parameters,
        training_s=training_s,
        rows_per_s=trainer.speed.rows_per_s(),
        data_wait_share=trainer.speed.data_wait_share(),
        peak_memory_bytes=peak_memory_bytes(trainer.processes.device),
        num_processes=trainer.processes.size,
        warnings=(*state.warnings, *warnings),
    )


def _warnings(trainer: Trainer, data: DataFolder) -> list[str]:
    """What a person should know of the best model."""
    if trainer.config.trainer.skip_all_evaluation or not trainer.has_model or trainer.state.is_interrupted:
        return []
    decided = trainer.validation if trainer.decision.split == "validation" else trainer.training
    scores, found = trainer.evaluator.scores(trainer.model, decided)
    outputs = trainer.config.output_features
    training = data.read("training", [output.name for output in outputs])
    told = (
        no_better_than_trivial(output, scores[output.name], found[output.name], training[output.name])
        for output in outputs
    )
    return [warning for warning in told if warning is not None]


def _interrupted(job: Job, result: TrainResult, checkpoints: Checkpoints | None) -> Problem:
    message = f"training was interrupted at step {result.steps} (epoch {result.epochs})"
    if result.best_value is None:
        message += ", before its first evaluation: there is no model yet"
    else:
        message += f"; the best model so far, of epoch {result.best_epoch:g}, is in {job.model_folder}"
    if checkpoints is None:
        return Problem("", message)
    checkpoints.wait()
    if checkpoints.failure:
        return Problem("", message, hint=f"its checkpoint could not be written: {checkpoints.failure}")
    return Problem("", message, hint="the same command with --resume goes on from there; so does a new run in a pod")
