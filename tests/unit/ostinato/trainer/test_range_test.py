"""A learning rate that is found."""

from __future__ import annotations

import torch
from test_loop import losses, make, trained, weights

from ostinato.trainer.range_test import BOUNDS


def test_the_rate_is_one_that_learns_better_than_the_bounds() -> None:
    found = make(learning_rate="auto", epochs=8)
    assert BOUNDS[0] <= found.learning_rate <= BOUNDS[1]
    best = min(losses(trained(found)))
    assert best < min(losses(trained(make(learning_rate=BOUNDS[0], epochs=8))))


def test_it_is_the_same_each_time_and_leaves_weights_and_random_numbers_alone() -> None:
    first = make(learning_rate="auto")
    after = torch.get_rng_state()
    assert first.learning_rate == make(learning_rate="auto").learning_rate
    plain = make()
    assert torch.equal(after, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(plain), strict=True))
