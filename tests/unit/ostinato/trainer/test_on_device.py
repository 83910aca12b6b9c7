"""Batches that a thread makes ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ostinato.trainer.on_device import RowsToDevice
from ostinato.trainer.rows import Batch, RowsInMemory

CPU = torch.device("cpu")


def plain(num_rows: int = 100) -> RowsInMemory:
    return RowsInMemory.of({"y": np.arange(num_rows, dtype=np.float32)})


def values(batches: Iterator[Batch]) -> list[list[float]]:
    return [batch["y"].tolist() for batch in batches]


def test_batches_are_those_of_the_rows_behind() -> None:
    rows = RowsToDevice(plain(), CPU)
    shuffled = [torch.Generator().manual_seed(0) for _ in range(2)]
    assert values(rows.batches(16, shuffled[0], 2)) == values(plain().batches(16, shuffled[1], 2))
    assert (len(rows), rows.num_batches(16), rows.batch_rows(16, 6)) == (100, 7, 4)


def test_the_thread_ends_with_the_batches() -> None:
    before = threading.active_count()
    batches = RowsToDevice(plain(), CPU).batches(8)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_what_goes_wrong_in_the_thread_is_raised_where_batches_are_taken() -> None:
    class Broken(RowsInMemory):
        def batches(self, batch_size: int, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
            yield from super().batches(batch_size, generator, start)
            raise OSError("the disk is gone")

    rows = RowsToDevice(Broken.of({"y": np.zeros(10, np.float32)}), CPU)
    with pytest.raises(OSError, match="the disk is gone"):
        values(rows.batches(4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_the_gpu() -> None:
    rows = RowsToDevice(plain(), torch.device("cuda", 0))
    assert all(batch["y"].is_cuda for batch in rows.batches(16))
