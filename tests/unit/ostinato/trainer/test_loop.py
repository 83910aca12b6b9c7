"""The training loop on small tables in memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.errors import ConfigError
from ostinato.model.ecd import ECD
from ostinato.shape import Shape
from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Progress, Quiet
from ostinato.trainer.rows import RowsInMemory
from ostinato.trainer.spec import OPTIMIZERS

CPU = torch.device("cpu")
SHAPES = {
    "a": Shape("number"),
    "b": Shape("number"),
    "c": Shape("code", vocab_size=5),
    "y": Shape("code", vocab_size=3, classes=("x", "y", "z"), class_counts=(1, 1, 1)),
    "flag": Shape("binary", classes=("no", "yes"), class_counts=(1, 1)),
}


def columns(num_rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, num_rows)).astype(np.float32)
    c = random.integers(0, 5, num_rows).astype(np.int32)
    y = (a + b + c > 2).astype(np.int32) + (a > 1)
    return {"a": a, "b": b, "c": c, "y": y.astype(np.int32), "flag": (a > b).astype(np.float32)}


def make(
    training: Mapping[str, np.ndarray] | None = None,
    validation: Mapping[str, np.ndarray] | None = None,
    *,
    outputs: tuple[tuple[str, str], ...] = (("y", "category"),),
    calibration: bool = False,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
    **trainer: object,
) -> Trainer:
    config = Config.model_validate(
        {
            "input_features": [
                {"name": "a", "type": "number"},
                {"name": "b", "type": "number"},
                {"name": "c", "type": "category"},
            ],
            "output_features": [
                {"name": name, "type": kind, **({"calibration": True} if calibration else {})} for name, kind in outputs
            ],
            "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16, "dropout": 0.1},
            "trainer": {"batch_size": 32, "epochs": 5, "learning_rate": 0.01, "optimizer": {"type": "adam"}, **trainer},
        }
    )
    torch.manual_seed(0)
    return Trainer(
        ECD(config, SHAPES),
        config,
        {name: Fitted() for name, _ in outputs},
        training=RowsInMemory.of(training or columns(200)),
        validation=RowsInMemory.of(validation or columns(100, seed=1)),
        seed=0,
        progress=progress or Quiet(),
        checkpoints=checkpoints,
    )


class Killer(Quiet):
    """Sends a signal after a step."""

    def __init__(self, number: signal.Signals, at: int) -> None:
        self.number, self.at = number, at

    def step(self, step: int) -> None:
        if step == self.at:
            os.kill(os.getpid(), self.number)


def trained(trainer: Trainer) -> Trainer:
    torch.manual_seed(1)
    trainer.train(Interruption())
    return trainer


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [value.clone() for value in trainer.model.state_dict().values()]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def losses(trainer: Trainer, split: str = "validation", output: str = "y") -> list[float]:
    found = getattr(trainer.history, split)[output]["loss"]
    assert all(value is not None for value in found)
    return list(found)


def test_training_learns() -> None:
    found = losses(trained(make()))
    assert len(found) == 5
    assert found[-1] < 0.7 * found[0]


def test_the_same_seed_gives_the_same_weights_to_the_bit() -> None:
    assert same(weights(trained(make())), weights(trained(make())))


def test_the_weights_at_the_end_are_the_best_ones() -> None:
    trainer = trained(make(epochs=40, learning_rate=0.1, early_stop=-1))
    best = min(losses(trainer))
    assert trainer.state.best_value == best
    assert losses(trainer)[-1] > best
    assert trainer.evaluator.evaluate(trainer.model, trainer.validation)["y"]["loss"] == pytest.approx(best, rel=1e-6)


def test_early_stopping_waits_for_its_patience() -> None:
    trainer = trained(make(epochs=1000, learning_rate=0.1, early_stop=3))
    assert trainer.state.stopped == "early_stop"
    assert trainer.state.epoch == trainer.state.best_epoch + 3


def test_train_steps_override_epochs() -> None:
    trainer = trained(make(train_steps=11, epochs=1))
    assert trainer.state.step == 11
    assert trainer.state.stopped == "train_steps"
    assert trainer.history.steps == [7, 11]


def test_evaluations_can_be_counted_in_steps_or_by_epoch() -> None:
    assert trained(make(epochs=2, steps_per_checkpoint=3)).history.steps == [3, 6, 9, 12, 14]
    assert trained(make(epochs=2, checkpoints_per_epoch=2)).history.steps == [4, 7, 11, 14]


def test_accumulation_gives_the_gradient_of_the_whole() -> None:
    fields = {"should_shuffle": False, "optimizer": {"type": "sgd"}, "skip_all_evaluation": True}
    data = columns(128)
    whole = make(data, batch_size=64, train_steps=2, **fields)
    parts = make(data, batch_size=32, gradient_accumulation_steps=2, train_steps=4, **fields)
    for trainer in (whole, parts):
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        trained(trainer)
    for left, right in zip(weights(whole), weights(parts), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


@pytest.mark.parametrize("kind", ["l1", "l2", "l1_l2"])
def test_regularization_makes_weights_smaller(kind: str) -> None:
    def size(strength: float) -> float:
        trainer = trained(make(regularization_type=kind, regularization_lambda=strength, skip_all_evaluation=True))
        return sum(float(value.detach().abs().sum()) for value in trainer.model.parameters() if value.ndim > 1)

    assert size(0.05) < 0.9 * size(0.0)


def test_clipping_by_value_bounds_a_step_of_sgd() -> None:
    trainer = make(optimizer={"type": "sgd"}, learning_rate=1.0, train_steps=1, gradient_clipping={"clipvalue": 1e-4})
    before = weights(trainer)
    trained(trainer)
    moved = max(float((a - b).abs().max()) for a, b in zip(before, weights(trainer), strict=True))
    assert 0 < moved <= 1.001e-4


def test_frozen_layers_do_not_learn() -> None:
    trainer = make(layers_to_freeze_regex="^encoders")
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trained(trainer)
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, before[name]) == name.startswith("encoders")


@pytest.mark.parametrize(("pattern", "message"), [("nothing", "no parameter"), (".", "every")])
def test_a_pattern_that_freezes_nothing_or_all_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(layers_to_freeze_regex=pattern)


def test_without_evaluation_the_last_weights_are_kept() -> None:
    trainer = trained(make(skip_all_evaluation=True))
    assert trainer.has_model
    assert trainer.history.validation == {}
    assert len(losses(trainer, "training")) == 5


def test_without_validation_rows_the_training_loss_decides_and_that_is_said() -> None:
    none = {name: column[:0] for name, column in columns(1).items()}
    trainer = trained(make(validation=none))
    assert trainer.state.best_value == min(losses(trainer, "training"))
    assert "no validation rows" in trainer.state.warnings[0]


def test_a_metric_can_decide() -> None:
    trainer = trained(make(validation_metric="accuracy_micro"))
    assert str(trainer.decision) == "y.accuracy (validation rows)"
    assert trainer.state.best_value == max(trainer.history.validation["y"]["accuracy"])


def test_a_metric_that_is_not_defined_gives_way_to_the_loss() -> None:
    one_class = columns(100, seed=1) | {"flag": np.ones(100, np.float32)}
    trainer = trained(make(validation=one_class, outputs=(("flag", "binary"),), validation_metric="roc_auc"))
    assert "roc_auc (validation rows) is not defined" in trainer.state.warnings[0]
    assert trainer.has_model


def test_with_several_outputs_their_summed_loss_decides() -> None:
    trainer = trained(make(outputs=(("y", "category"), ("flag", "binary"))))
    both = [sum(pair) for pair in zip(losses(trainer), losses(trainer, output="flag"), strict=True)]
    assert str(trainer.decision) == "combined.loss (validation rows)"
    assert trainer.state.best_value == pytest.approx(min(both), rel=1e-5)


def test_training_rows_can_be_evaluated_too() -> None:
    trainer = trained(make(evaluate_training_set=True))
    assert len(trainer.history.training["y"]["accuracy"]) == 5


def test_the_rate_falls_on_a_plateau() -> None:
    trainer = trained(
        make(
            epochs=30,
            early_stop=-1,
            learning_rate=0.3,
            learning_rate_scheduler={
                "reduce_on_plateau": 2,
                "reduce_on_plateau_patience": 1,
                "reduce_on_plateau_rate": 0.5,
                "reduce_eval_split": "validation",
            },
        )
    )
    assert sorted(set(trainer.history.learning_rates), reverse=True) == [0.3, 0.15, 0.075]


def test_the_batch_grows_on_a_plateau() -> None:
    trainer = trained(
        make(
            epochs=30,
            early_stop=-1,
            learning_rate=0.3,
            increase_batch_size_on_plateau=1,
            increase_batch_size_on_plateau_patience=1,
            increase_batch_size_eval_split="validation",
        )
    )
    assert trainer.steps_per_epoch == 4
    assert trainer.state.epoch == 30


def test_a_loss_that_is_no_number_stops_with_a_hint_and_keeps_the_best() -> None:
    trainer = make(epochs=50, learning_rate=1e-3)
    saved: list[int] = []
    trainer.keep = lambda model: saved.append(trainer.state.step)
    torch.manual_seed(0)
    original = trainer.training.batches

    def poisoned(*arguments: object) -> object:
        for batch in original(*arguments):  # type: ignore[arg-type]
            if trainer.state.epoch == 2:
                batch["a"] = batch["a"] * float("nan")
            yield batch

    trainer.training.batches = poisoned  # type: ignore[assignment,method-assign]
    with pytest.raises(ConfigError, match=r"the loss is nan at step 14") as caught:
        trainer.train(Interruption())

    assert "learning_rate" in str(caught.value)
    assert saved == [7, 14]
    assert all(torch.isfinite(value).all() for value in weights(trainer))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_step_and_the_best_weights_come_back(number: signal.Signals) -> None:
    trainer = make(epochs=1000, early_stop=-1)
    trainer._progress = Killer(number, stop_at := 20)
    handler = signal.getsignal(number)
    with Interruption() as interruption:
        trainer.train(interruption)
    assert trainer.state.stopped == "interrupted"
    assert trainer.state.step == stop_at
    assert trainer.state.best_step == 14
    assert signal.getsignal(number) is handler


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_trains_a_model(name: str) -> None:
    trainer = trained(make(optimizer={"type": name}, epochs=2))
    assert np.isfinite(losses(trainer)).all()


def test_mixed_precision_learns() -> None:
    found = losses(trained(make(use_mixed_precision=True)))
    assert found[-1] < found[0]


def test_probabilities_are_calibrated_on_the_validation_rows() -> None:
    trainer = trained(make(columns(40), epochs=60, early_stop=-1, skip_all_evaluation=False, calibration=True))
    temperatures = [value for name, value in trainer.model.state_dict().items() if name.endswith("temperature")]
    assert temperatures
    assert float(temperatures[0]) != 1.0


def test_one_training_row_is_enough() -> None:
    assert trained(make(columns(1), epochs=2, batch_size="auto")).state.step == 2
