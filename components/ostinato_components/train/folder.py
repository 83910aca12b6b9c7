"""The model folder while training: always the best model so far, whole, or none."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from ostinato import storage
from ostinato.artifacts import LOCK, MANIFEST, TRAINING_PROGRESS, TRAINING_STATISTICS, WEIGHTS
from ostinato.config import Config
from ostinato.dataset import DataFolder
from ostinato.model.ecd import ECD
from ostinato.model.folder import save_model
from ostinato.trainer.loop import Trainer
from ostinato_components.train.curves import learning_curves
from ostinato_components.train.job import Job
from ostinato_components.train.lock import lock_of
from ostinato_components.train.step import TrainResult

LEARNING_CURVES = "learning_curves.html"
_SAVE_EVERY_S = 5.0
"""Least time between two writes of the best model: on a small table it improves many times a second."""


class ModelFolder:
    """Writes what training leaves behind."""

    def __init__(self, job: Job, data: DataFolder, config: Config) -> None:
        """Takes away the weights of an earlier model, so that they can't be taken for this one's."""
        self._job = job
        self._folder = job.model_folder.rstrip("/")
        self._config = config
        self._fitted = data.fitted(config)
        self._manifest = data.manifest
        self._saved_at = time.monotonic()
        if storage.is_local(self._folder):
            Path(storage.local_path(self._folder), WEIGHTS).unlink(missing_ok=True)
        storage.write_bytes_atomic(f"{self._folder}/{MANIFEST}", storage.read_bytes(f"{data.folder}/{MANIFEST}"))

    def keep(self, model: ECD) -> None:
        """Called when the model is the best so far: saves it, unless that was done a moment ago."""
        if not self._job.skip_save_progress and time.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self._save(model.state_dict())

    def write_best(self, trainer: Trainer, weights: Mapping[str, Tensor]) -> None:
        """At the end, however it came: the best weights, if there were any."""
        if trainer.has_model:
            self._save(weights)

    def write_record(self, result: TrainResult, trainer: Trainer) -> None:
        """The course of training and where it ended, the learning curves, and what the model came of."""
        self._write_json(TRAINING_STATISTICS, result.history)
        progress = {name: value for name, value in asdict(result).items() if name != "history"}
        rates = trainer.history.learning_rates
        self._write_json(TRAINING_PROGRESS, progress | {"learning_rate": rates[-1] if rates else trainer.learning_rate})
        job = self._job
        path = job.learning_curves_path or ("" if job.skip_save_log else f"{self._folder}/{LEARNING_CURVES}")
        if path:
            storage.write_bytes_atomic(path, learning_curves(result, trainer.history.steps).encode())
        if trainer.has_model:
            lock = lock_of(job, self._manifest, result, trainer.processes.device.type)
            self._write_json(LOCK, lock.model_dump(mode="json"))

    def _save(self, weights: Mapping[str, Tensor]) -> None:
        save_model(self._folder, weights, self._config, self._fitted)
        self._saved_at = time.monotonic()

    def _write_json(self, name: str, content: object) -> None:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        storage.write_bytes_atomic(f"{self._folder}/{name}", text.encode())
