"""What happens where memory is too small for a batch, and on the CPU before that: it is worked on in parts."""

from __future__ import annotations

import pytest
import torch
from test_loop import SHAPES, columns, losses, make, trained, weights
from torch import nn

from ostinato.config import Config
from ostinato.errors import ConfigError
from ostinato.model.ecd import ECD
from ostinato.trainer.loop import Trainer


class Small(nn.Module):
    """A part of a network that takes so many rows and no more."""

    penalty = None

    def __init__(self, part: nn.Module, most: int, training: bool) -> None:
        super().__init__()
        self.part, self.most, self.refuses_training = part, most, training
        self.output_length, self.output_size = part.output_length, part.output_size
        self.num_members = part.num_members

    def forward(self, encodings, masks):  # type: ignore[no-untyped-def]
        if len(encodings[0]) > self.most and self.training == self.refuses_training:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.part(encodings, masks)


def small(most: int, *, training: bool = True, **options: object) -> Trainer:
    trainer = make(**options)
    trainer.model.combiner = Small(trainer.model.combiner, most, training)  # type: ignore[assignment,arg-type]
    return trainer


def test_a_batch_that_does_not_fit_is_trained_on_in_parts_with_the_same_result() -> None:
    options: dict[str, object] = {"regularization_lambda": 0.01}
    whole = make(**options)
    whole.model.combiner.dropout = 0.0  # type: ignore[assignment]
    parts = small(10, **options)
    found, wanted = losses(trained(parts)), losses(trained(whole))
    assert parts._stepper.most_rows == 8
    # Dropout draws other numbers for parts; what is learned is alike.
    assert found == pytest.approx(wanted, rel=0.1)


def test_an_evaluation_that_does_not_fit_is_done_in_smaller_batches_with_the_same_result() -> None:
    assert losses(trained(small(30, training=False))) == pytest.approx(losses(trained(make())), rel=1e-5)


def test_a_single_row_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="enable_gradient_checkpointing"):
        trained(small(0))
    with pytest.raises(ConfigError, match="eval_batch_size"):
        trained(small(0, training=False))


def in_parts(most_rows: int | None, **options: object) -> Trainer:
    table = columns(200)
    table["y"][::3] = -1  # rows without a target: parts of a batch count differently for each output
    trainer = make(table, outputs=(("y", "category"), ("flag", "binary")), **options)
    trainer.model.combiner.dropout = 0.0  # type: ignore[assignment]
    trainer._stepper.most_rows = most_rows
    return trained(trainer)


@pytest.mark.parametrize(
    "options",
    [
        {"regularization_lambda": 0.01},
        {"gradient_accumulation_steps": 2},
        {"optimizer": {"type": "lbfgs", "max_iter": 3}},
    ],
)
def test_parts_of_a_batch_give_what_the_whole_gives(options: dict[str, object]) -> None:
    parts, whole = in_parts(5, epochs=2, **options), in_parts(None, epochs=2, **options)
    for split in ("training", "validation"):
        assert losses(parts, split) == pytest.approx(losses(whole, split), rel=1e-4)
    for part, wanted in zip(weights(parts), weights(whole), strict=True):
        torch.testing.assert_close(part, wanted, rtol=1e-3, atol=1e-5)


def test_a_step_on_the_cpu_takes_as_many_rows_as_its_caches_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make()._stepper.most_rows > 32  # type: ignore[operator]
    monkeypatch.setattr("ostinato.trainer.batch_size.PART_BYTES", 4000)
    trainer = make()
    assert trainer._stepper.most_rows < 32  # type: ignore[operator]
    assert trainer.evaluator.batch_size == trainer._stepper.most_rows
    assert make(eval_batch_size=50).evaluator.batch_size == 50
    assert losses(trained(trainer))[-1] < 1.0


def test_what_looks_at_the_whole_batch_is_not_parted() -> None:
    def model(loss: str, norm: str | None = None) -> ECD:
        config = Config.model_validate(
            {
                "input_features": [{"name": "b", "type": "number"}],
                "output_features": [{"name": "a", "type": "number", "loss": {"type": loss}}],
                "combiner": {"type": "concat", "num_fc_layers": 1, "norm": norm},
            }
        )
        return ECD(config, SHAPES)

    assert model("mean_squared_error").adds_up
    assert model("mean_squared_error", "layer").adds_up
    assert not model("mean_squared_error", "batch").adds_up
    assert not model("root_mean_squared_error").adds_up


class Penalized(nn.Module):
    """A combiner whose output costs something."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.output_length, self.output_size = inner.output_length, inner.output_size
        self.num_members = inner.num_members
        self.penalty: torch.Tensor | None = None

    def forward(self, encodings, masks):  # type: ignore[no-untyped-def]
        hidden = self.inner(encodings, masks)
        self.penalty = hidden.square().sum(dim=-1).mean() if self.training else None
        return hidden


def test_the_penalty_of_a_combiner_counts_once_a_batch_in_however_many_parts() -> None:
    found = []
    for most_rows in (None, 5):
        trainer = make()
        trainer.model.combiner.dropout = 0.0  # type: ignore[assignment]
        trainer.model.combiner = Penalized(trainer.model.combiner)  # type: ignore[assignment]
        trainer.model.train()
        for module in trainer.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        trainer._stepper.most_rows = most_rows
        batch = trainer.training.sample(32)
        total, losses = trainer._stepper.accumulate(batch, 1, 32)
        penalty = float(total) - float(losses["y"])
        assert penalty > 0
        found.append((penalty, [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-4)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)
