"""How training goes, for the person who waits: a bar and a table on a terminal, plain lines in a pod or a file."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar


@dataclass(frozen=True)
class Plan:
    """What lies ahead."""

    num_rows: int
    num_validation_rows: int
    num_parameters: int
    batch_size: int
    total_steps: int
    """Most steps; early stopping may end training before."""
    steps_per_epoch: int
    device: str
    num_processes: int
    metric: str
    """`<output>.<metric>` that decides on the best model."""


@dataclass(frozen=True)
class Line:
    """One evaluation."""

    epoch: float
    step: int
    training_loss: float
    validation: Mapping[str, float]
    """The most telling metrics, by the name to show."""
    learning_rate: float
    rows_per_s: float
    is_best: bool


class Progress(ABC):
    """A context around training that is told what happens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """After the last step, or when training broke off."""

    @abstractmethod
    def start(self, plan: Plan) -> None:
        """Before the first step."""

    @abstractmethod
    def step(self, step: int) -> None:
        """After each step; must cost next to nothing."""

    @abstractmethod
    def evaluation(self, line: Line) -> None:
        """After each evaluation."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something that a person should know."""


class Quiet(Progress):
    """Says nothing."""

    def close(self) -> None:
        """Says nothing."""

    def start(self, plan: Plan) -> None:
        """Says nothing."""

    def step(self, step: int) -> None:
        """Says nothing."""

    def evaluation(self, line: Line) -> None:
        """Says nothing."""

    def note(self, text: str) -> None:
        """Says nothing."""


class Lines(Progress):
    """Plain lines, at most one every `interval_s`, so that the log of a pod stays readable."""

    def __init__(self, stream: TextIO | None = None, interval_s: float = 1.0) -> None:
        self._stream = stream or sys.stderr
        self._interval_s = interval_s
        self._plan: Plan | None = None
        self._started = time.monotonic()
        self._written = float("-inf")
        self._unwritten: str | None = None

    def start(self, plan: Plan) -> None:
        """One line of what lies ahead."""
        self._plan = plan
        self._started = time.monotonic()
        self._write(heading(plan))

    def step(self, step: int) -> None:
        """A line where an epoch takes so long that nothing was said for a minute."""
        now = time.monotonic()
        if self._plan is not None and now - max(self._written, self._started) > 60:
            self._write(f"step {step} of at most {self._plan.total_steps}, {self._left(step)}")

    def evaluation(self, line: Line) -> None:
        """One line an evaluation."""
        assert self._plan is not None, "start comes first"
        text = f"{_cells(line, self._plan)}  {self._left(line.step)}{'  *' if line.is_best else ''}"
        if time.monotonic() - self._written >= self._interval_s:
            self._write(text)
        else:
            self._unwritten = text

    def note(self, text: str) -> None:
        """The text as it is, after what was held back."""
        self._flush()
        self._write(text)

    def close(self) -> None:
        """Writes the last line if it was held back."""
        self._flush()

    def _flush(self) -> None:
        if self._unwritten is not None:
            self._write(self._unwritten)

    def _left(self, step: int) -> str:
        assert self._plan is not None, "start comes first"
        left = (time.monotonic() - self._started) / max(1, step) * (self._plan.total_steps - step)
        return f"{duration(left)} left at most"

    def _write(self, text: str) -> None:
        self._unwritten = None
        self._written = time.monotonic()
        print(text, file=self._stream, flush=True)


class Terminal(Progress):
    """A bar over all steps, and above it a line for each evaluation."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bar: RichBar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps, at most"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=None)
        self._plan: Plan | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.stop()

    def start(self, plan: Plan) -> None:
        """One line of what lies ahead."""
        self._plan = plan
        self._bar.update(self._task, total=plan.total_steps)
        self.note(heading(plan))

    def step(self, step: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=step)

    def evaluation(self, line: Line) -> None:
        """One line above the bar; the best so far in bold."""
        assert self._plan is not None, "start comes first"
        text = _cells(line, self._plan)
        self._bar.console.print(
            f"{text}  *" if line.is_best else text,
            style="bold" if line.is_best else None,
            highlight=False,
            markup=False,
        )

    def note(self, text: str) -> None:
        """The text above the bar."""
        self._bar.console.print(text, highlight=False, markup=False)


def suitable(quiet: bool = False) -> Progress:
    """A bar on a terminal, else plain lines."""
    if quiet:
        return Quiet()
    return Terminal() if sys.stderr.isatty() else Lines()


def heading(plan: Plan) -> str:
    """One line of what lies ahead."""
    return (
        f"training on {plan.num_rows:,} rows ({plan.num_validation_rows:,} validation), "
        f"{plan.num_parameters:,} parameters, batch {plan.batch_size:,}, {plan.steps_per_epoch:,} steps an epoch, "
        f"{plan.device}{f' x {plan.num_processes}' if plan.num_processes > 1 else ''}; best model by {plan.metric}"
    )


def _cells(line: Line, plan: Plan) -> str:
    epochs = plan.total_steps / plan.steps_per_epoch
    shown = "  ".join(f"{name} {value:.4g}" for name, value in line.validation.items())
    return (
        f"epoch {line.epoch:g}/{epochs:g}  step {line.step}  loss {line.training_loss:.4g}  "
        f"{shown}{'  ' if shown else ''}{line.rows_per_s:,.0f} rows/s"
    )


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
