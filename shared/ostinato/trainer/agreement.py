"""What the processes of a training must do at the same step: stop, write a checkpoint, go on from one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.processes import Processes

_EVERY_S = 0.5
"""Seconds between two exchanges; one costs about as much as a small step."""
_MOST_STEPS = 1000


@dataclass(frozen=True)
class Agreed:
    """What happens after a step."""

    is_stopped: bool = False
    is_checkpoint_due: bool = False


class Agreement:
    """Exchanges what processes learned, at steps that all of them know beforehand."""

    def __init__(self, processes: Processes, checkpoints: Checkpoints | None) -> None:
        self._processes = processes
        self._checkpoints = checkpoints
        self._next_step = 0
        self._last = (0, time.monotonic())
        """Step and time of the last exchange."""

    def at(self, step: int, is_interrupted: bool) -> Agreed:
        """What happens after this step; called after the same steps on every process."""
        if self._processes.size == 1:
            return Agreed(is_interrupted, self._checkpoints is not None and self._checkpoints.is_due())
        if step < self._next_step:
            return Agreed()
        is_due = self._processes.is_first and self._checkpoints is not None and self._checkpoints.is_due()
        before, then = self._last
        seconds = (time.monotonic() - then) / max(1, step - before)
        stops, due, seconds = self._processes.largest([float(is_interrupted), float(is_due), seconds])
        self._next_step = step + max(1, min(_MOST_STEPS, int(_EVERY_S / max(seconds, 1e-9))))
        self._last = (step, time.monotonic())
        return Agreed(bool(stops), bool(due))

    def now(self, flag: bool) -> bool:
        """Whether any process says so."""
        return bool(self._processes.largest([float(flag)])[0])

    def common(self, steps: Sequence[int]) -> int | None:
        """The last step that every process has; None where there is none."""
        wanted = self._processes.told(list(steps))
        missing = self._processes.largest([float(step not in steps) for step in wanted])
        return max((step for step, is_missing in zip(wanted, missing, strict=True) if not is_missing), default=None)
