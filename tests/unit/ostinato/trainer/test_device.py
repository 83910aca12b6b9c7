"""Threads and determinism."""

from __future__ import annotations

import torch

from ostinato.resources import usable_cores
from ostinato.trainer.device import deterministic, suitable_threads, threads


def test_small_steps_take_one_thread_and_large_ones_all_cores() -> None:
    assert suitable_threads(100_000) == 1
    assert suitable_threads(1 << 30) == min(usable_cores(), torch.get_num_threads())


def test_processes_on_a_machine_share_its_cores() -> None:
    assert suitable_threads(1 << 30, num_processes=1000) == 1


def test_the_number_of_threads_comes_back() -> None:
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_on_the_cpu_nothing_is_switched_on() -> None:
    with deterministic(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()
