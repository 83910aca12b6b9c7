"""Tells the supervisor that training gets on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.progress import Line, Plan, Progress
from ostinato_components.train.job import HEARTBEAT

_EVERY_S = 1.0


class Heartbeat(Progress):
    """Writes the step, and that of the last checkpoint, into a file about once a second; passes all else on."""

    def __init__(self, progress: Progress, path: str, checkpoints: Checkpoints | None) -> None:
        self._progress = progress
        self._path = Path(path)
        self._checkpoints = checkpoints
        self._last = float("-inf")

    def close(self) -> None:
        """After the last step."""
        self._progress.close()

    def start(self, plan: Plan) -> None:
        """Before the first step."""
        self._progress.start(plan)

    def step(self, step: int) -> None:
        """After each step."""
        self._progress.step(step)
        if time.monotonic() - self._last >= _EVERY_S:
            saved = self._checkpoints.step if self._checkpoints is not None else 0
            self._path.write_text(json.dumps({"step": step, "checkpoint_step": saved}), encoding="utf-8")
            self._last = time.monotonic()

    def evaluation(self, line: Line) -> None:
        """After each evaluation."""
        self._progress.evaluation(line)

    def note(self, text: str) -> None:
        """Something that a person should know."""
        self._progress.note(text)


def with_heartbeat(progress: Progress, checkpoints: Checkpoints | None) -> Progress:
    """The same, and a heartbeat where a supervisor asks for one."""
    path = os.environ.get(HEARTBEAT)
    return Heartbeat(progress, path, checkpoints) if path else progress
