"""What can go wrong while rows are encoded: nothing half-written is ever taken for whole."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from ostinato.artifacts import MANIFEST, METADATA
from ostinato.dataset import DataFolder
from ostinato.errors import DataError
from ostinato.load import canonical_json, from_json
from ostinato_components.preprocess import run

ROWS = 120_000
CONFIG = canonical_json(
    {
        "input_features": [
            {"name": "x", "type": "number"},
            {"name": "c", "type": "category"},
            {"name": "t", "type": "text"},
        ],
        "output_features": [{"name": "y", "type": "binary"}],
    }
)
PROGRAM = """
import sys
import pyarrow.parquet
from ostinato.load import from_json
from ostinato_components.preprocess import run
from ostinato_components.task import task
dataset, config, folder, storage = sys.argv[1:]
config = from_json(config)
{before}
print("ready", flush=True)
with task():
    run(dataset, config, folder, shard_rows=65_536 // 4, storage=storage)
"""


def table(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    words = np.array([f"word{number}" for number in range(5000)])
    return pa.table(
        {
            "x": rng.normal(size=rows),
            "c": words[rng.integers(0, 100, rows)],
            "t": [" ".join(words[codes]) for codes in rng.integers(0, 5000, (rows, 8))],
            "y": rng.choice(["yes", "no"], rows),
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.parquet"
    pyarrow.parquet.write_table(table(), path)
    return path


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finished(start(data, folder))
    return contents(folder)


def start(data, folder, storage="", before="", config=CONFIG):
    """A process that has imported everything and now preprocesses."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(before=before), str(data), config, str(folder), str(storage)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finished(process):
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def assert_whole(folder):
    """Everything that the manifest names is there, to the byte."""
    manifest = DataFolder(folder).manifest
    for shards in manifest.splits.values():
        for shard in shards:
            content = (Path(folder) / shard.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (shard.bytes, shard.sha256)


def test_killed_at_any_moment_and_run_again_it_ends_with_the_same_bytes(data, undisturbed, tmp_path):
    began = time.monotonic()
    finished(start(data, tmp_path / "timed"))
    seconds = time.monotonic() - began
    moments = random.Random(0)
    folder = tmp_path / "data"
    outcomes = []
    for number in [signal.SIGKILL, signal.SIGTERM] * 10:
        process = start(data, folder)
        time.sleep(moments.uniform(0, 0.8 * seconds))
        process.send_signal(number)
        told = time.monotonic()
        _, error = process.communicate(timeout=60)
        outcomes.append(process.returncode)
        # Past its end, the process does not heed SIGTERM any more.
        allowed = {0, -number} if (folder / MANIFEST).exists() else {-signal.SIGKILL}
        assert process.returncode in {*allowed, 4 if number == signal.SIGTERM else -signal.SIGKILL}, error
        if number == signal.SIGTERM:
            assert time.monotonic() - told < 10
            assert "Traceback" not in error
            assert not list(folder.glob(".tmp-*"))
        if (folder / MANIFEST).exists():
            assert_whole(folder)
    assert outcomes.count(4) + outcomes.count(-9) >= 5, "some were interrupted before their end"
    finished(start(data, folder))
    assert contents(folder) == undisturbed


def test_killed_while_it_writes_to_a_storage_and_run_again_it_ends_with_the_same_bytes(data, undisturbed, tmp_path):
    for number, delay in ((signal.SIGKILL, 0.3), (signal.SIGTERM, 0.6), (signal.SIGKILL, 0.9)):
        process = start(data, tmp_path / "data", storage=tmp_path / "storage")
        time.sleep(delay)
        process.send_signal(number)
        process.communicate(timeout=60)
    finished(start(data, tmp_path / "data", storage=tmp_path / "storage"))
    (folder,) = (tmp_path / "storage/data").iterdir()
    assert contents(folder) == undisturbed
    assert not list(tmp_path.rglob(".tmp-*"))


def test_two_runs_into_one_folder_at_once_both_end_well(data, undisturbed, tmp_path):
    processes = [start(data, tmp_path) for _ in range(2)]
    for process in processes:
        finished(process)
    assert contents(tmp_path) == undisturbed


def test_two_runs_of_different_data_into_one_folder_leave_the_whole_of_one(data, tmp_path):
    other = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(table(ROWS, seed=1), other)
    for _ in range(3):
        processes = [start(source, tmp_path / "data") for source in (data, other)]
        for process in processes:
            finished(process)
        assert_whole(tmp_path / "data")
        folder = DataFolder(tmp_path / "data")
        listed = {shard.path for shards in folder.manifest.splits.values() for shard in shards}
        assert {path.name for path in (tmp_path / "data").glob("*.parquet")} == listed
        x = folder.read("training", ["x"])["x"]
        mean = np.mean(x.astype(np.float64))
        assert abs(mean) < 1e-6, "metadata and rows are of the same data"
        assert folder.metadata["x"]["count"] == len(x)


def test_two_runs_into_one_storage_at_once_both_end_well(data, undisturbed, tmp_path):
    processes = [start(data, tmp_path / f"data{number}", storage=tmp_path / "storage") for number in range(2)]
    for process in processes:
        finished(process)
    (folder,) = (tmp_path / "storage/data").iterdir()
    assert contents(folder) == undisturbed
    for number in range(2):
        assert DataFolder(tmp_path / f"data{number}").read("test", ["x"])["x"].shape == (ROWS // 5,)


@pytest.mark.parametrize("most", [50_000, 6_000_000])
def test_a_full_disk_is_an_error_that_says_so(data, tmp_path, most):
    """A limit on the size of a file stands in for a full disk: met by the rows between the passes, and by a shard."""
    padded = json.loads(CONFIG)
    padded["input_features"][2]["preprocessing"] = {"sequence_length": 100}  # a shard has 6.7 MB, the rows before 4.4
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))"
    process = start(data, tmp_path, before=limit, config=canonical_json(padded))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "can't be written: File too large" in error
    assert "preprocessing needs room for about three times the encoded rows" in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
    finished(start(data, tmp_path, config=canonical_json(padded)))
    assert_whole(tmp_path)


def test_a_folder_that_may_not_be_written_is_an_error_that_says_so(open_folder, nobody):
    (open_folder / "read only").mkdir(mode=0o555)
    nobody()
    for folder in (open_folder / "read only", open_folder / "read only" / "below"):
        with pytest.raises(DataError, match=r"read only.*: can't be written: Permission denied"):
            run(table(100), from_json(CONFIG), str(folder))


def test_an_error_in_a_thread_arrives_with_its_class(tmp_path):
    lists = pa.array([[1.0]] * 20_000)
    with pytest.raises(DataError, match="x: holds values of type list"):
        run(table(20_000).set_column(0, "x", lists), from_json(CONFIG), str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_many_rows_of_one_value_are_rows_like_any_other(tmp_path):
    rows = 100_000
    target = np.where(np.arange(rows) % 7 == 0, "yes", "no")
    same = pa.table({"x": np.full(rows, 3.5), "c": ["a"] * rows, "t": ["one word"] * rows, "y": target})
    manifest = run(same, from_json(CONFIG), str(tmp_path))
    folder = DataFolder(tmp_path)
    assert [manifest.rows(split) for split in ("training", "validation", "test")] == [70_000, 10_000, 20_000]
    found = folder.read("training")
    assert {name: np.unique(found[name]).tolist() for name in "xct"} == {"x": [0.0], "c": [1], "t": [2, 3]}
    assert any("every training row has the same value, 'a'" in warning for warning in manifest.warnings)


def test_one_core_gives_the_same_bytes(data, undisturbed, tmp_path):
    finished(start(data, tmp_path, before=f"import os\nos.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})"))
    assert contents(tmp_path) == undisturbed


def test_data_that_change_while_they_are_read_are_an_error(data, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,c,t,y\n" + "1,a,b c,yes\n2,b,c,no\n" * 400_000)
    process = start(path, tmp_path / "out")
    time.sleep(0.2)
    with path.open("a") as file:
        file.write("3,c,d,yes\n")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "data.csv: has changed while it was read" in error
    assert not list((tmp_path / "out").iterdir())


def test_what_an_earlier_run_left_is_gone_only_when_the_new_is_whole(tmp_path):
    run(table(1000), from_json(CONFIG), str(tmp_path))
    before = contents(tmp_path)
    with pytest.raises(DataError):
        run(table(1000).set_column(3, "y", pa.nulls(1000, pa.string())), from_json(CONFIG), str(tmp_path))
    assert contents(tmp_path) == before


def test_shards_in_a_storage_are_named_by_their_content_and_referred_to_by_uri(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, seed in zip(folders, (1, 2), strict=True):
        run(table(1000), from_json(CONFIG), str(folder), seed=seed, storage=str(tmp_path / "storage"))
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [MANIFEST, METADATA, "preprocessing_statistics.json"]
        )
    assert len(list((tmp_path / "storage/data").iterdir())) == 2
    one, two = (DataFolder(folder).manifest.splits["training"][0] for folder in folders)
    assert one.path.startswith(f"file://{tmp_path}/storage/data/")
    assert one.path != two.path
    assert DataFolder(folders[0]).read("training", ["x"])["x"].shape == (700,)


@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_what_is_not_whole_in_a_storage_is_made_again(tmp_path, damage):
    store = str(tmp_path / "storage")
    run(table(1000), from_json(CONFIG), str(tmp_path / "data"), storage=store)
    (folder,) = (tmp_path / "storage/data").iterdir()
    before = contents(folder)
    shard = folder / "test-00000.parquet"
    if damage == "delete":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    run(table(1000), from_json(CONFIG), str(tmp_path / "data"), storage=store)
    assert contents(folder) == before


def test_shards_go_to_a_bucket(s3, tmp_path):
    run(table(1000), from_json(CONFIG), str(tmp_path), storage="s3://warehouse/some where")
    folder = DataFolder(tmp_path)
    shard = folder.manifest.splits["training"][0]
    assert shard.path.startswith("s3://warehouse/some where/data/")
    assert s3.info(shard.path)["size"] == shard.bytes
    assert folder.read("training", ["x"])["x"].shape == (700,)
    assert json.loads(s3.cat_file(shard.path.rpartition("/")[0] + "/manifest.json"))["splits"]["training"][0][
        "path"
    ] == ("training-00000.parquet")


def test_a_storage_that_does_not_exist_is_an_error_that_says_so(s3, tmp_path):
    with pytest.raises(DataError, match="s3://nowhere"):
        run(table(100), from_json(CONFIG), str(tmp_path), storage="s3://nowhere/x")
