"""The rule for an automatic batch."""

from __future__ import annotations

import torch
from torch import nn

from ostinato.resources import host_memory
from ostinato.trainer.batch_size import LARGEST, SMALLEST, activation_bytes, fitting, plan_batches, rule
from ostinato.trainer.processes import Processes
from ostinato.trainer.spec import TrainerSpec

CPU = torch.device("cpu")


def plan(num_rows: int = 10_000, size: int = 1, **fields: object) -> tuple[int, int]:
    batches = plan_batches(TrainerSpec.model_validate(fields), num_rows, 100, Processes(0, size))
    return batches.batch_size, batches.accumulation


def test_the_rule_grows_with_the_rows_between_its_bounds() -> None:
    assert rule(10) == SMALLEST
    assert rule(10**9) == LARGEST
    sizes = [rule(rows) for rows in range(1, 100_000, 997)]
    assert sizes == sorted(sizes)
    assert all(size & (size - 1) == 0 for size in sizes)


def test_a_batch_is_never_larger_than_the_training_rows() -> None:
    assert plan(num_rows=7) == (7, 1)


def test_the_largest_batch_can_be_limited() -> None:
    assert plan(max_batch_size=48) == (48, 1)


def test_a_batch_that_does_not_fit_is_halved() -> None:
    assert fitting(1024, host_memory() // 256, CPU) == 64
    assert fitting(1024, host_memory() * 10, CPU) == 1


def test_accumulation_makes_up_the_effective_batch() -> None:
    assert plan(batch_size=32, effective_batch_size=128) == (32, 4)
    size, steps = plan(effective_batch_size=1000)
    assert size * steps == 1000
    assert plan(effective_batch_size=128, gradient_accumulation_steps=4) == (32, 4)


def test_each_process_takes_a_batch_and_all_share_an_effective_one() -> None:
    assert plan(batch_size=32, size=4) == (128, 1)
    assert plan(effective_batch_size=128, size=4) == plan(effective_batch_size=128)
    assert plan(batch_size=32, effective_batch_size=256, size=4) == (128, 2)
    assert plan(size=4) == plan()


def test_the_batch_has_grown_where_each_process_takes_its_own() -> None:
    def grown(**fields: object) -> int:
        return plan_batches(TrainerSpec.model_validate(fields), 10_000, 100, Processes(0, 4)).grown

    assert grown(batch_size=32) == 4
    assert grown() == grown(effective_batch_size=128) == 1


def test_activations_are_counted_the_same_each_time_and_change_nothing() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    rows = torch.randn(16, 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_before = torch.get_rng_state()

    counts = [activation_bytes(network, lambda: network(rows).sum(), 16) for _ in range(2)]

    assert counts[0] == counts[1] >= 4 * (4 + 8 + 8)
    assert torch.equal(torch.get_rng_state(), random_before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
