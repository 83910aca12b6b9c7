"""Learning rates by step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.trainer.schedule import learning_rate
from ostinato.trainer.spec import SchedulerSpec

TOTAL = 100


def rates(base: float = 0.1, total: int = TOTAL, **fields: object) -> list[float]:
    spec = SchedulerSpec.model_validate(fields)
    return [learning_rate(spec, base, step, total, 10) for step in range(total)]


def test_without_a_decay_the_rate_stays() -> None:
    assert set(rates()) == {0.1}


def test_linear_falls_to_zero_at_the_end() -> None:
    found = rates(decay="linear")
    assert found[0] == 0.1
    assert found[50] == pytest.approx(0.05)
    assert found[-1] == pytest.approx(0.001)


def test_warm_up_rises_from_zero_over_its_fraction() -> None:
    found = rates(warmup_fraction=0.1)
    assert found[:11] == pytest.approx([0.01 * step for step in range(1, 11)] + [0.1])


def test_warm_up_can_be_counted_in_evaluations() -> None:
    found = rates(warmup_evaluations=2)
    assert found[9] == pytest.approx(0.05)
    assert found[20] == pytest.approx(0.1)


def test_exponential_loses_its_rate_each_decay_steps() -> None:
    found = rates(decay="exponential", decay_rate=0.5, decay_steps=10)
    assert found[10] == pytest.approx(0.05)
    assert found[5] == pytest.approx(0.1 * 0.5**0.5)


def test_a_staircase_falls_in_steps() -> None:
    found = rates(decay="exponential", decay_rate=0.5, decay_steps=10, staircase=True)
    assert found[9] == 0.1
    assert found[10] == pytest.approx(0.05)


def test_cosine_restarts_at_its_peak() -> None:
    found = rates(decay="cosine", t_0=10, t_mult=2, eta_min=0.01)
    assert found[0] == found[10] == found[30] == pytest.approx(0.1)
    assert found[20] == pytest.approx((0.1 + 0.01) / 2)


def test_cosine_and_one_cycle_are_those_of_torch() -> None:
    for fields, scheduler in (
        (
            {"decay": "cosine", "t_0": 7, "t_mult": 2},
            lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 7, 2),
        ),
        (
            {"decay": "one_cycle", "max_lr": 0.1, "pct_start": 0.3},
            lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=101),
        ),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        expected, schedule = [], scheduler(optimizer)
        for _ in range(TOTAL):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert rates(**fields) == pytest.approx(expected, rel=0.03, abs=3e-3)


def test_inverse_sqrt_peaks_after_its_warm_up() -> None:
    found = rates(decay="inverse_sqrt", inverse_sqrt_warmup_steps=25)
    assert max(found) == found[24] == pytest.approx(0.1)
    assert found[99] == pytest.approx(0.05)


def test_polynomial_ends_at_its_last_rate() -> None:
    found = rates(decay="polynomial", polynomial_power=2.0, polynomial_end_lr=0.02)
    assert found[50] == pytest.approx(0.08 * 0.25 + 0.02)


def test_wsd_rises_stays_and_falls() -> None:
    found = rates(decay="wsd")
    assert found[4] == pytest.approx(0.05)
    assert set(found[10:90]) == {0.1}
    assert found[95] == pytest.approx(0.05)


@given(
    decay=st.sampled_from(["linear", "exponential", "cosine", "one_cycle", "inverse_sqrt", "polynomial", "wsd"]),
    step=st.integers(0, 500),
    total=st.integers(1, 300),
    warmup=st.floats(0, 1),
    fraction=st.floats(0, 1),
)
def test_no_rate_is_negative_or_above_the_base(
    decay: str, step: int, total: int, warmup: float, fraction: float
) -> None:
    spec = SchedulerSpec.model_validate(
        {
            "decay": decay,
            "warmup_fraction": warmup,
            "pct_start": fraction,
            "wsd_warmup_fraction": fraction,
            "wsd_stable_fraction": 0.0,
            "wsd_decay_fraction": 1 - fraction,
        }
    )
    assert 0 <= learning_rate(spec, 0.1, step, total, 5) <= 0.1 + 1e-9
