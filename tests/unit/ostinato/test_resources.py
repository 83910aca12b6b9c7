"""Limits of a container are files; these are written as the kernel writes them."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from ostinato.resources import freed_memory_kept, host_memory, peak_memory, usable_cores

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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_that_of_this_process_and_not_of_the_one_that_started_it():
    ballast = np.ones(40_000_000)
    code = "from ostinato.resources import peak_memory; print(peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert child < 200e6 < ballast.nbytes < peak_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc needs to be told")
def test_freed_memory_is_used_again_and_given_back_at_the_end():
    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def use():
        for _ in range(20):
            arrays = [np.ones(1_000_000) for _ in range(3)]
            del arrays

    with freed_memory_kept():
        use()
        before = faults()
        use()
        assert faults() - before < 2_000, "each array has about 2,000 pages"
