"""Rows in memory."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.trainer.rows import RowsInMemory


def rows(num_rows: int) -> RowsInMemory:
    index = np.arange(num_rows)
    return RowsInMemory.of(
        {
            "number": index.astype(np.float32),
            "code": index.astype(np.int32),
            "text": np.stack([index, index + 1, index + 2], axis=1).astype(np.int32).reshape(num_rows, 3),
            "flag": (index % 2).astype(np.float32),
        }
    )


def test_columns_keep_their_shape_and_type() -> None:
    batch = rows(5).all()
    assert batch["number"].shape == batch["code"].shape == (5,)
    assert batch["text"].tolist()[1] == [1, 2, 3]
    assert batch["number"].dtype == torch.float32
    assert batch["code"].dtype == torch.int32


@given(num_rows=st.integers(0, 50), batch_size=st.integers(1, 20), shuffled=st.booleans())
def test_a_pass_has_every_row_once_and_rows_stay_together(num_rows: int, batch_size: int, shuffled: bool) -> None:
    data = rows(num_rows)
    batches = list(data.batches(batch_size, torch.Generator().manual_seed(0) if shuffled else None))

    assert len(batches) == data.num_batches(batch_size)
    seen = [value for batch in batches for value in batch["code"].tolist()]
    assert sorted(seen) == list(range(num_rows))
    for batch in batches:
        assert batch["number"].tolist() == batch["code"].tolist() == batch["text"][:, 0].tolist()
    if not shuffled:
        assert seen == list(range(num_rows))


def test_a_single_row_that_is_left_over_joins_the_last_batch() -> None:
    sizes = [len(batch["code"]) for batch in rows(9).batches(4)]
    assert sizes == [4, 5]


def test_the_order_depends_on_the_seed_alone() -> None:
    def order(seed: int) -> list[int]:
        torch.rand(seed + 3)
        return [
            value
            for batch in rows(30).batches(7, torch.Generator().manual_seed(seed))
            for value in batch["code"].tolist()
        ]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_a_sample_is_spread_over_all_rows() -> None:
    assert rows(5).sample(10)["code"].tolist() == [0, 1, 2, 3, 4]
    assert rows(101).sample(3)["code"].tolist() == [0, 50, 100]
