"""Large objects and many small ones: ranges at once, parts, objects that change meanwhile."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ostinato import storage
from ostinato.batches import open_source
from ostinato.errors import DataError
from ostinato.sources import arrow
from ostinato.storage import reading

MB = 1 << 20


@pytest.fixture
def content():
    return np.random.default_rng(0).bytes(50 * MB + 17)


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges_some_at_once(watched_s3, s3, content, tmp_path):
    (tmp_path / "a.bin").write_bytes(content)
    storage.upload(str(tmp_path / "a.bin"), "s3://warehouse/a.bin")
    parts = [size for method, _, size in watched_s3.requests if method == "PUT"]
    assert sorted(parts) == [2 * MB + 17, 16 * MB, 16 * MB, 16 * MB]
    assert storage.size("s3://warehouse/a.bin") == len(content)
    assert s3.cat_file("warehouse/a.bin") == content

    watched_s3.at_once = 0
    storage.download("s3://warehouse/a.bin", str(tmp_path / "new" / "b.bin"))
    assert (tmp_path / "new" / "b.bin").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b.bin"]
    assert 2 <= watched_s3.at_once <= 4
    assert len([wanted for _, wanted, _ in watched_s3.requests if wanted]) == 8


def test_a_file_is_read_in_any_order(watched_s3, s3, content):
    s3.pipe_file("warehouse/a.bin", content)
    with storage.open_seekable("s3://warehouse/a.bin") as file:
        assert file.seek(-10, os.SEEK_END) == len(content) - 10
        assert file.read() == content[-10:]
        assert file.read(5) == b""
        file.seek(30 * MB)
        assert file.read(17 * MB) == content[30 * MB : 47 * MB]
        file.seek(0)
        pieces = [file.read(3 * MB) for _ in range(18)]
    assert b"".join(pieces) == content
    with storage.open_file("s3://warehouse/a.bin") as file:
        assert file.read(100) == content[:100]
        file.seek(40 * MB)
        assert file.read(100) == content[40 * MB :][:100]
        file.seek(100)
        assert file.read() == content[100:]


def test_only_the_head_of_a_file_is_fetched_where_no_more_is_wanted(watched_s3, s3, content):
    s3.pipe_file("warehouse/a.csv", b"x,y\n" + b"1,2\n" * (5 * MB))
    assert open_source("s3://warehouse/a.csv").column_names() == ["x", "y"]
    assert [wanted for _, wanted, _ in watched_s3.requests if wanted] == ["bytes=0-1048575"]


def test_of_parquet_only_the_wanted_columns_are_fetched_and_ahead(watched_s3, s3, tmp_path):
    table = pa.table({name: np.random.default_rng(0).random(600_000) for name in "abcdefgh"})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100_000, compression="none", use_dictionary=False)
    s3.put(str(tmp_path / "a.parquet"), "warehouse/a.parquet")
    source = open_source("s3://warehouse/a.parquet")
    watched_s3.requests.clear()
    batches = source.batches(["h", "d"])
    read = pa.Table.from_batches([*batches])
    assert read.equals(table.select(["h", "d"]))
    fetched = 0
    for _, wanted, _ in watched_s3.requests:
        if wanted:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            fetched += last + 1 - first
    assert fetched < 1.05 * table.select(["h", "d"]).nbytes
    assert watched_s3.at_once >= 2


def test_parquet_of_large_row_groups_is_read_in_small_pieces(watched_s3, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "_LARGE_BYTES", MB)
    table = pa.table({name: np.random.default_rng(0).random(1_500_000) for name in "ab"})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1_500_000, compression="none", use_dictionary=False)
    s3.put(str(tmp_path / "a.parquet"), "warehouse/a.parquet")
    assert pa.Table.from_batches([*open_source("s3://warehouse/a.parquet").batches()]).equals(table)
    ranges = [wanted.removeprefix("bytes=").split("-") for _, wanted, _ in watched_s3.requests if wanted]
    assert max(int(last) - int(first) for first, last in ranges) < 5 * MB


def test_many_small_objects_are_read_several_at_once_by_one_request_each(watched_s3, s3):
    for number in range(60):
        s3.pipe_file(f"warehouse/many/{number:03d}.csv", f"x,y\n{number},a\n".encode())
    source = open_source("s3://warehouse/many")
    source.column_names()
    watched_s3.requests.clear()
    (batch,) = source.batches()
    assert batch.column("x").to_pylist() == [str(number) for number in range(60)]
    assert len(watched_s3.requests) == 60
    assert watched_s3.at_once > 4


def test_the_digest_of_a_folder_asks_for_its_list_only(watched_s3, s3):
    for number in range(20):
        s3.pipe_file(f"warehouse/many/{number}.csv", b"x\n1\n")
    source = open_source("s3://warehouse/many")
    before = len(watched_s3.requests)
    source.digest()
    assert len(watched_s3.requests) == before


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_an_object_that_changes_while_it_is_read_is_named(s3, tmp_path, name, monkeypatch):
    monkeypatch.setattr(reading, "RANGE_BYTES", MB)
    monkeypatch.setattr(arrow, "_RUN_BYTES", MB)

    def put(start):
        table = pa.table({"x": np.arange(start, start + 3_000_000), "y": np.arange(start, start + 3_000_000)})
        if name.endswith("csv"):
            table.to_pandas().to_csv(tmp_path / name, index=False)
        else:
            pq.write_table(table, tmp_path / name, row_group_size=100_000, use_dictionary=False, compression="none")
        s3.put(str(tmp_path / name), f"warehouse/{name}")

    put(10**7)
    batches = open_source(f"s3://warehouse/{name}").batches()
    next(batches)
    put(2 * 10**7)
    with pytest.raises(DataError, match=f"{name}: has changed while it was read"):
        list(batches)


def test_an_object_that_changed_since_it_was_listed_is_named(s3):
    s3.pipe_file("warehouse/a.csv", b"x\n1\n")
    source = open_source("s3://warehouse/a.csv")
    s3.pipe_file("warehouse/a.csv", b"x\n2\n")
    with pytest.raises(DataError, match="has changed"):
        list(source.batches())


def test_an_object_that_is_gone_since_it_was_listed_is_named(s3):
    for name in "ab":
        s3.pipe_file(f"warehouse/data/{name}.csv", b"x\n1\n")
    source = open_source("s3://warehouse/data")
    s3.rm_file("warehouse/data/b.csv")
    with pytest.raises(DataError, match=r"b\.csv: .*is gone"):
        list(source.batches())


def test_an_upload_of_a_file_that_shrinks_leaves_no_object_and_no_parts(s3, content, tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(content)

    def pread(descriptor, length, start):
        os.truncate(tmp_path / "a.bin", 20 * MB)
        return real(descriptor, length, start)

    real = os.pread
    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(DataError, match=r"a\.bin: has changed while it was read"):
        storage.upload(str(tmp_path / "a.bin"), "s3://warehouse/a.bin")
    assert not s3.exists("warehouse/a.bin")
    assert s3.list_multipart_uploads("warehouse") == []


def test_removing_takes_a_folder_and_nothing_beside_it(s3):
    for name in ("run/1.bin", "run/deep/2.bin", "run-2/3.bin", "run"):
        s3.pipe_file(f"warehouse/{name}", b"1")
    storage.remove("s3://warehouse/run")
    storage.remove("s3://warehouse/run")
    assert s3.find("warehouse") == ["warehouse/run-2/3.bin"]
    with pytest.raises(DataError, match="whole bucket"):
        storage.remove("s3://warehouse")
