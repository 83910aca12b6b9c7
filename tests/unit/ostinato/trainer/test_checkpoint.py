"""Checkpoints: whole or not there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.packing import pack, unpack

STATE = {"weights": {"a.b": torch.arange(6.0).reshape(2, 3)}, "step": 3, "best": None, "rate": 0.1}


def written(folder: Path, *steps: int, rank: int = 0, size: int = 1) -> Checkpoints:
    checkpoints = Checkpoints(str(folder), 60, rank, size)
    for step in steps:
        checkpoints.write(step, STATE | {"step": step})
    checkpoints.wait()
    return checkpoints


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path, 7)
    read = Checkpoints(str(tmp_path), 60).read(7)
    assert read is not None
    assert torch.equal(read["weights"]["a.b"], STATE["weights"]["a.b"])  # type: ignore[index]
    assert (read["step"], read["best"], read["rate"]) == (7, None, 0.1)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    assert written(tmp_path, 1, 2, 10).steps() == [2, 10]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_not_read(tmp_path: Path, damage: str) -> None:
    checkpoints = written(tmp_path, 1, 2)
    (last,) = tmp_path.glob("step-0000000002*")
    content = last.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    last.write_bytes({"cut": content[:-10], "flipped": flipped, "empty": b""}[damage])
    assert checkpoints.read(2) is None
    assert checkpoints.read(1) is not None


def test_each_process_has_files_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, 1, 2, rank=0, size=2)
    other = written(tmp_path, 1, rank=1, size=2)
    assert other.steps() == [1]
    assert Checkpoints(str(tmp_path), 60).steps() == [], "another number of processes has other states"


def test_state_that_changes_while_it_is_written_is_written_as_it_was(tmp_path: Path) -> None:
    tensor = torch.zeros(1_000_000)
    checkpoints = Checkpoints(str(tmp_path), 60)
    checkpoints.write(1, {"tensor": tensor})
    tensor += 1
    checkpoints.wait()
    read = checkpoints.read(1)
    assert read is not None
    assert float(read["tensor"].sum()) == 0


def test_one_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(str(tmp_path / "file" / "folder"), 60)
    checkpoints.write(1, STATE)
    checkpoints.wait()
    assert "file" in checkpoints.failure
    assert checkpoints.step == 0


def test_it_is_due_after_the_interval_and_never_takes_more_than_a_fiftieth_of_the_time(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), 0.001)
    time.sleep(0.01)
    assert checkpoints.is_due()
    checkpoints.write(1, {"tensor": torch.zeros(4_000_000)})
    checkpoints.wait()
    time.sleep(0.02)
    assert not checkpoints.is_due(), "16 MB cost more than half a millisecond"


def test_it_is_begun_so_early_that_it_is_whole_when_the_interval_is_over(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), 100)
    checkpoints._cost_s = 1.0
    checkpoints._last = time.monotonic() - 98.9
    assert not checkpoints.is_due()
    checkpoints._last = time.monotonic() - 99.1
    assert checkpoints.is_due()


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "key"
    checkpoints = written(folder, 1, 2)
    follower = checkpoints.following("refit")
    follower.write(1, STATE)
    follower.wait()
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_lie_in_a_bucket_too(s3: object) -> None:
    checkpoints = Checkpoints("s3://warehouse/checkpoints/key", 60)
    checkpoints.write(5, STATE)
    checkpoints.wait()
    assert checkpoints.failure == ""
    assert checkpoints.steps() == [5]
    assert checkpoints.read(5) is not None
    checkpoints.remove()
    assert checkpoints.steps() == []


def test_what_a_killed_process_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = written(tmp_path, 1)
    (name,) = os.listdir(tmp_path)
    (tmp_path / f".{name}.0123.tmp").write_bytes(b"half")
    assert checkpoints.steps() == [1]


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)))
def test_packing_is_undone(value: object) -> None:
    packed, tensors = pack(value)
    assert unpack(packed, tensors) == value


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".ostinato-checkpoint-0-1", tmp_path / ".ostinato-checkpoint-0-2"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    checkpoints = Checkpoints(str(tmp_path), 60)
    checkpoints.write(1, {"x": torch.zeros(2)})
    checkpoints.close()
    assert not old.exists()
    assert fresh.exists()
    assert checkpoints.steps() == [1]
