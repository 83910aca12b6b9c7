"""Half precision, a scaled loss, and activations that are computed twice."""

from __future__ import annotations

import pytest
import torch
from test_loop import losses, make, same, trained, weights

from ostinato.trainer.batch_size import activation_bytes
from ostinato.trainer.loss_scale import LossScale
from ostinato.trainer.processes import ALONE
from ostinato.trainer.recompute import recompute_activations
from ostinato.trainer.step import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", ["bfloat16", "float16"])
def test_half_precision_learns_nearly_the_same(wanted: str) -> None:
    assert losses(trained(make(use_mixed_precision=wanted))) == pytest.approx(losses(trained(make())), rel=0.05)


def test_true_is_bfloat16_where_the_device_has_it() -> None:
    assert precision(True, CPU) is torch.bfloat16
    assert precision(False, CPU) is None
    assert precision("float16", CPU) is torch.float16


def test_an_overflow_leaves_the_weights_alone_and_halves_the_scale() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    scale = LossScale(factor=8.0)
    weight.grad = torch.tensor([8.0, float("inf")])
    assert not scale.undo([weight], ALONE)
    assert scale.factor == 4.0
    weight.grad = torch.tensor([8.0, 4.0])
    assert scale.undo([weight], ALONE)
    assert weight.grad.tolist() == [2.0, 1.0]


def test_a_scale_that_does_not_overflow_grows() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    scale = LossScale(factor=8.0, good=1999)
    weight.grad = torch.ones(1)
    assert scale.undo([weight], ALONE)
    assert (scale.factor, scale.good) == (16.0, 0)


def test_computing_activations_again_changes_no_bit() -> None:
    assert same(weights(trained(make(enable_gradient_checkpointing=True))), weights(trained(make())))


def test_computing_activations_again_keeps_fewer() -> None:
    def kept(again: bool) -> int:
        trainer = make()
        if again:
            recompute_activations(trainer.model)
        sample = trainer.training.sample(64)
        model = trainer.model.train()
        return activation_bytes(model, lambda: model.total_loss(model.losses(model(sample), sample)), 64)

    assert kept(True) < 0.7 * kept(False)
