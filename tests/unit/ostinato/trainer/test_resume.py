"""Training that was interrupted and goes on: to the last bit as if nothing had happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from test_loop import make, same, trained, weights

from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Line, Quiet
from ostinato.trainer.spec import OPTIMIZERS


class Stopper(Quiet):
    """Sends SIGTERM after a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, step: int) -> None:
        if step == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


def attempt(folder: Path, stop_at: int, **options: object) -> Trainer:
    trainer = make(checkpoints=Checkpoints(str(folder), 60), progress=Stopper(stop_at), **options)
    torch.manual_seed(1)
    trainer.resume()
    with Interruption() as interruption:
        trainer.train(interruption)
    assert trainer.checkpoints is not None
    trainer.checkpoints.wait()
    return trainer


def resumed(folder: Path, *stops: int, **options: object) -> Trainer:
    for stop in stops:
        assert attempt(folder, stop, **options).state.stopped == "interrupted"
    return attempt(folder, -1, **options)


def assert_alike(one: Trainer, other: Trainer) -> None:
    assert same(weights(one), weights(other))
    assert one.history == other.history
    assert one.state == other.state


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_goes_on_where_it_was(tmp_path: Path, name: str) -> None:
    options: dict[str, object] = {"optimizer": {"type": name}, "epochs": 3, "learning_rate": 0.001}
    assert_alike(resumed(tmp_path, 3, 10, **options), trained(make(**options)))


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate_scheduler": {"decay": "cosine", "warmup_fraction": 0.2}},
        {"learning_rate_scheduler": {"reduce_on_plateau": 3, "reduce_on_plateau_patience": 0}},
        {"increase_batch_size_on_plateau": 3, "increase_batch_size_on_plateau_patience": 0},
        {"gradient_accumulation_steps": 3},
        {"steps_per_checkpoint": 2, "early_stop": 2},
        {"checkpoints_per_epoch": 3},
        {"evaluate_training_set": True},
        {"should_shuffle": False},
        {"use_mixed_precision": True},
        {"skip_all_evaluation": True},
        {"train_steps": 17},
        {"validation_metric": "accuracy"},
        {"learning_rate": "auto"},
        {"enable_gradient_checkpointing": True},
    ],
    ids=str,
)
def test_whatever_changes_while_training_goes_on_too(tmp_path: Path, options: dict[str, object]) -> None:
    straight = trained(make(**options))
    last = straight.state.step
    assert_alike(resumed(tmp_path, *sorted({1, last // 2, last}), **options), straight)


@pytest.mark.parametrize("stop", [1, 6, 7, 8, 13, 14])
def test_stopped_at_any_step_of_an_epoch(tmp_path: Path, stop: int) -> None:
    """An epoch has seven steps, and the evaluation is owed where the signal came with its last."""
    assert_alike(resumed(tmp_path, stop), trained(make()))


def test_calibration_follows_the_last_run(tmp_path: Path) -> None:
    options = {"outputs": (("flag", "binary"),), "calibration": True}
    assert_alike(resumed(tmp_path, 9, **options), trained(make(**options)))  # type: ignore[arg-type]


def test_an_interruption_ends_an_evaluation(tmp_path: Path) -> None:
    class StopsInEvaluation(Quiet):
        def evaluation(self, line: Line) -> None:
            raise AssertionError("broken off before it ended")

        def step(self, step: int) -> None:
            if step == 7:
                self.asked = getattr(self, "asked", 0) + 1
                if self.asked == 2:  # once after the step, then before each batch of the evaluation
                    os.kill(os.getpid(), signal.SIGTERM)

    trainer = make(checkpoints=Checkpoints(str(tmp_path), 60), progress=StopsInEvaluation())
    torch.manual_seed(1)
    with Interruption() as interruption:
        trainer.train(interruption)
    assert trainer.state.is_interrupted
    assert trainer.checkpoints is not None
    trainer.checkpoints.wait()
    assert_alike(attempt(tmp_path, -1), trained(make()))


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    first = attempt(tmp_path, -1)
    again = attempt(tmp_path, -1)
    assert_alike(first, again)
    assert again.speed.rows == 0


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    resumed_at = [attempt(tmp_path, stop).state.step for stop in (5, 12)]
    assert resumed_at == [5, 12]
    (last,) = tmp_path.glob("step-0000000012*")
    last.write_bytes(last.read_bytes()[:1000])
    trainer = make(checkpoints=Checkpoints(str(tmp_path), 60))
    assert trainer.resume() == 5
    assert_alike(attempt(tmp_path, -1), trained(make()))


def test_nothing_to_go_on_from_is_a_beginning(tmp_path: Path) -> None:
    assert make(checkpoints=Checkpoints(str(tmp_path / "none"), 60)).resume() == 0
    assert make().resume() == 0
