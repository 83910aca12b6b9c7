"""Rows that are read from their shards while training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.dataset import DataFolder
from ostinato.load import load_config
from ostinato.trainer.processes import ALONE
from ostinato.trainer.rows import Batch, Rows, RowsInMemory
from ostinato.trainer.streamed_rows import StreamedRows
from ostinato_components.preprocess.preprocessing import run as preprocess

NAMES = ["x", "c", "y"]
NUM_ROWS = 1000
GROUP_ROWS = 64

Make = Callable[..., StreamedRows]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """700 training rows in eleven row groups; y counts the rows."""
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    config = load_config(
        {
            "input_features": [
                {"name": "x", "type": "number"},
                {"name": "c", "type": "category"},
            ],
            "output_features": [{"name": "y", "type": "number", "preprocessing": {"normalization": None}}],
        }
    ).config
    table = {
        "x": [rng.gauss(0, 1) for _ in range(NUM_ROWS)],
        "c": [rng.choice("pqr") for _ in range(NUM_ROWS)],
        "y": list(range(NUM_ROWS)),
    }
    preprocess(table, config, str(folder / "data"), shard_rows=GROUP_ROWS)
    return DataFolder(folder / "data")


def streamed(data: DataFolder, **options: object) -> StreamedRows:
    return StreamedRows(data, ["training"], NAMES, **{"window_rows": 200, **options})  # type: ignore[arg-type]


def in_memory(data: DataFolder) -> RowsInMemory:
    return RowsInMemory.read(data, ["training"], NAMES, ALONE, torch.device("cpu"))


def order_of(rows: Rows, batch_size: int, seed: int | None = 0, start: int = 0) -> list[list[float]]:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return [batch["y"].tolist() for batch in rows.batches(batch_size, generator, start)]


def flat(batches: list[list[float]]) -> list[float]:
    return [value for batch in batches for value in batch]


def test_without_a_generator_rows_come_in_order_and_are_those_of_the_folder(data: DataFolder) -> None:
    whole = in_memory(data).all()
    batches: list[Batch] = list(streamed(data).batches(50))
    for name in NAMES:
        assert torch.equal(torch.cat([batch[name] for batch in batches]), whole[name])


@given(
    batch_size=st.integers(1, 900),
    window_rows=st.integers(1, 900),
    num_lanes=st.integers(1, 4),
    seed=st.integers(0, 3) | st.none(),
)
def test_a_pass_has_every_row_once_in_batches_of_the_size_that_is_told(
    data: DataFolder, batch_size: int, window_rows: int, num_lanes: int, seed: int | None
) -> None:
    rows = streamed(data, window_rows=window_rows, lanes=range(num_lanes), num_lanes=num_lanes)
    batches = order_of(rows, batch_size, seed)
    assert sorted(flat(batches)) == sorted(in_memory(data).all()["y"].tolist())
    assert len(batches) == rows.num_batches(batch_size)
    assert [len(batch) for batch in batches] == [rows.batch_rows(batch_size, n) for n in range(len(batches))]
    assert min(len(batch) for batch in batches) >= 1
    assert max(len(batch) for batch in batches) <= max(batch_size + num_lanes, 3 * num_lanes)


def test_the_parts_of_the_processes_make_up_the_batches_of_one_process_with_all_lanes(data: DataFolder) -> None:
    together = order_of(streamed(data, lanes=(0, 1, 2), num_lanes=3, window_rows=300), 90)
    apart = [order_of(streamed(data, lanes=(lane,), num_lanes=3, window_rows=100), 90) for lane in range(3)]
    assert together == [flat(list(parts)) for parts in zip(*apart, strict=True)]


def test_each_process_reads_its_own_part(data: DataFolder) -> None:
    first, second = (set(flat(order_of(streamed(data, lanes=(lane,), num_lanes=2), 64))) for lane in (0, 1))
    assert not first & second
    assert abs(len(first) - len(second)) <= 1


def test_the_order_is_another_one_in_each_pass_and_the_same_for_the_same_seed(data: DataFolder) -> None:
    rows = streamed(data)
    generator = torch.Generator().manual_seed(0)
    passes = [flat([batch["y"].tolist() for batch in rows.batches(64, generator)]) for _ in range(2)]
    assert passes[0] != passes[1]
    assert passes[0] == flat(order_of(rows, 64, seed=0))


@given(start=st.integers(0, 12), lanes=st.sampled_from([1, 2]))
def test_a_pass_can_go_on_in_the_middle(data: DataFolder, start: int, lanes: int) -> None:
    rows = streamed(data, lanes=range(lanes), num_lanes=lanes)
    assert order_of(rows, 64, start=start) == order_of(rows, 64)[start:]


def test_going_on_reads_nothing_of_what_is_done(data: DataFolder, tmp_path: Path) -> None:
    rows = streamed(data, window_rows=64)
    last = rows.num_batches(64) - 1
    read: list[int] = []
    reading = data.read_group
    data.read_group = lambda group, columns: read.append(group.rows) or reading(group, columns)  # type: ignore[assignment,func-returns-value]
    try:
        order_of(rows, 64, start=last)
    finally:
        data.read_group = reading  # type: ignore[method-assign]
    assert len(read) <= 3


def test_windows_mix_rows_of_groups_that_lie_far_apart(data: DataFolder) -> None:
    """Of a file in order, a window of W of G groups stands for all rows: its mean is off by chance only."""
    values = np.array(flat(order_of(streamed(data, window_rows=256), 32)))
    windows = values[:512].reshape(2, 256)
    deviation_of_groups = np.std(values) / np.sqrt(256 // GROUP_ROWS)
    assert np.abs(windows.mean(axis=1) - values.mean()).max() < 3 * deviation_of_groups
    # Neighbours in the file are no neighbours in a batch.
    assert np.mean(np.abs(np.diff(values)) < 3) < 0.1


def test_a_sample_is_spread_over_the_groups(data: DataFolder) -> None:
    sample = streamed(data).sample(110)
    assert 100 <= len(sample["y"]) <= 110
    assert float(sample["y"].min()) < 100
    assert float(sample["y"].max()) > 900


def test_several_splits_follow_one_another(data: DataFolder) -> None:
    rows = StreamedRows(data, ["training", "validation"], NAMES, window_rows=100)
    assert len(rows) == data.manifest.rows("training") + data.manifest.rows("validation")
    assert len(flat(order_of(rows, 100))) == len(rows)


def test_no_split_has_no_rows(data: DataFolder) -> None:
    rows = StreamedRows(data, [], NAMES, window_rows=100)
    assert len(rows) == 0
    assert order_of(rows, 10) == []
