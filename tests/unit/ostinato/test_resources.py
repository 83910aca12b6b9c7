"""Limits of a container are files; these are written as the kernel writes them."""

import os

import pytest

from ostinato.resources import host_memory, usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000\n", ALL), ("50000 100000\n", 1), ("100000 100000\n", 1), ("99900000 100000\n", ALL)],
)
def test_cores_are_those_of_a_limit_of_version_2(tmp_path, limit, cores):
    (tmp_path / "cpu.max").write_text(limit)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1\n", ALL), ("20000\n", 1), ("100000\n", 1), ("99900000\n", ALL)])
def test_cores_are_those_of_a_limit_of_version_1(tmp_path, quota, cores):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


def test_without_a_limit_all_cores_and_all_memory_are_usable(tmp_path):
    assert usable_cores(tmp_path) == ALL
    assert host_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_is_that_of_the_limit_of_either_version(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("1048576\n")
    assert host_memory(tmp_path) == 1 << 20


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n"])
def test_no_limit_of_memory_is_that_of_the_machine(tmp_path, text):
    (tmp_path / "memory.max").write_text(text)
    assert host_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
