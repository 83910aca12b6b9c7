"""What happens where the memory of a GPU is too small."""

from __future__ import annotations

import pytest
import torch
from test_loop import losses, make, trained
from torch import nn

from ostinato.errors import ConfigError
from ostinato.trainer.loop import Trainer


class Small(nn.Module):
    """A part of a network that takes so many rows and no more."""

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
    assert parts._stepper.parts == 4
    # Dropout draws other numbers for parts; what is learned is alike.
    assert found == pytest.approx(wanted, rel=0.1)


def test_an_evaluation_that_does_not_fit_is_done_in_smaller_batches_with_the_same_result() -> None:
    assert losses(trained(small(30, training=False))) == pytest.approx(losses(trained(make())), rel=1e-5)


def test_a_single_row_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="enable_gradient_checkpointing"):
        trained(small(0))
    with pytest.raises(ConfigError, match="eval_batch_size"):
        trained(small(0, training=False))
