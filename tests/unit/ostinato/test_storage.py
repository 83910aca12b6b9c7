"""Storage on real servers: S3 by moto, the web by Python's own."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import servers
from ostinato import storage
from ostinato.batches import open_source
from ostinato.errors import DataError

CSV = b"x,y\n1,a\n2,b\n"


def values(uri):
    return [row["x"] for batch in open_source(uri).batches() for row in batch.to_pylist()]


def message(uri):
    with pytest.raises(DataError) as error:
        values(uri)
    return str(error.value)


@pytest.mark.parametrize("protocol", ["s3", "minio"])
def test_a_bucket_is_read_as_kubeflow_writes_it(s3, protocol):
    s3.pipe(f"{servers.BUCKET}/data/part 1.csv", CSV)
    s3.pipe(f"{servers.BUCKET}/data/part 2.csv", CSV)
    folder = f"{protocol}://{servers.BUCKET}/data"
    assert values(f"{folder}/part 1.csv") == ["1", "2"]
    assert values(folder) == values(f"{folder}/*.csv") == ["1", "2", "1", "2"]
    assert storage.expand(folder) == [f"{folder}/part 1.csv", f"{folder}/part 2.csv"]


def test_parquet_in_a_bucket_is_read(s3, tmp_path):
    pq.write_table(pa.table({"x": list(range(1000))}), tmp_path / "a.parquet")
    s3.put(str(tmp_path / "a.parquet"), f"{servers.BUCKET}/a.parquet")
    assert values(f"s3://{servers.BUCKET}/a.parquet") == list(range(1000))


def test_the_digest_of_an_object_follows_its_content(s3):
    uri = f"s3://{servers.BUCKET}/a.csv"
    s3.pipe(f"{servers.BUCKET}/a.csv", CSV)
    first = open_source(uri).digest()
    assert open_source(uri).digest() == first
    s3.pipe(f"{servers.BUCKET}/a.csv", CSV.replace(b"2", b"3"))
    assert open_source(uri).digest() != first
    assert values(uri) == ["1", "3"]


def test_bytes_are_written_to_a_bucket_and_read_again(s3):
    uri = f"s3://{servers.BUCKET}/new/folder/a.bin"
    assert not storage.exists(uri)
    storage.write_bytes_atomic(uri, b"whole")
    assert storage.exists(uri)
    assert storage.read_bytes(uri) == b"whole"


@pytest.mark.parametrize(
    "path", ["no-such-bucket/a.csv", f"{servers.BUCKET}/no-such-object.csv", f"{servers.BUCKET}/x*"]
)
def test_what_is_not_in_the_bucket_is_a_data_error(s3, path):
    found = message(f"s3://{path}")
    assert path in found
    assert "no such" in found or "no file matches" in found


def test_a_server_that_does_not_answer_is_a_data_error(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{servers.free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = message(f"s3://{servers.BUCKET}/a.csv")
    assert "AWS_ENDPOINT_URL" in found


def test_missing_credentials_are_a_data_error_that_names_them(s3, monkeypatch):
    port = servers.free_port()  # another instance of the file system than that of the other tests
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://localhost:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    found = message(f"s3://{servers.BUCKET}/a.csv")
    assert "AWS_ACCESS_KEY_ID" in found
    assert "FSSPEC_S3_ANON" in found


def test_minio_without_an_endpoint_is_a_data_error_that_says_what_to_set(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert "AWS_ENDPOINT_URL_S3" in message("minio://mlpipeline/a.csv")


def test_an_unknown_protocol_is_a_data_error():
    assert "what://" in message("what://a/b.csv")


def test_the_web_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / "a.parquet")
    with servers.web_server(tmp_path) as address:
        assert values(f"{address}/a.csv") == ["1", "2"]
        assert values(f"{address}/a.csv?version=3") == ["1", "2"]
        assert values(f"{address}/a.parquet") == [1, 2, 3]
        assert open_source(f"{address}/a.csv").digest() == open_source(tmp_path / "a.csv").digest()


def test_what_the_web_refuses_or_has_not_is_a_data_error(tmp_path):
    with servers.web_server(tmp_path) as address:
        assert "permission denied" in message(f"{address}/secret.csv")
        assert "no such file" in message(f"{address}/nowhere.csv")
    assert "network" in message(f"{address}/a.csv")


def test_memory_of_fsspec_is_read():
    storage.write_bytes_atomic("memory://folder/a.csv", CSV)
    assert values("memory://folder/a.csv") == values("memory://folder") == ["1", "2"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "a.bin"
    storage.write_bytes_atomic(str(path), b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        storage.write_bytes_atomic(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.bin"]


def test_what_a_killed_writer_left_is_taken_up_by_the_next(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from ostinato.storage.whole import written_whole
with written_whole(Path({str(tmp_path / "a.bin")!r})) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "a.bin").exists()
    storage.write_bytes_atomic(str(tmp_path / "a.bin"), b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"whole")]


def test_many_writers_of_one_file_leave_one_of_their_contents(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(storage.write_bytes_atomic, str(tmp_path / "a.bin")), contents * 5))
    assert (tmp_path / "a.bin").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_file_is_swapped_only_while_it_holds_what_was_read(s3, tmp_path, place):
    uri = f"{tmp_path}/folder/pointer" if place == "local" else f"s3://{servers.BUCKET}/folder/pointer"
    assert storage.swap_bytes(uri, None, b"one")
    assert not storage.swap_bytes(uri, None, b"two")
    assert not storage.swap_bytes(uri, b"none", b"two")
    assert storage.read_bytes(uri) == b"one"
    assert storage.swap_bytes(uri, b"one", b"two")
    assert storage.read_bytes(uri) == b"two"
    assert storage.list_files(uri.rpartition("/")[0]) == [uri]


@pytest.mark.parametrize("place", ["local", "s3"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_of_many_swaps_at_once_one_succeeds(s3, tmp_path, place, old):
    uri = f"{tmp_path}/pointer" if place == "local" else f"s3://{servers.BUCKET}/pointer"
    if old is not None:
        storage.write_bytes_atomic(uri, old)
    contents = [b"%d" % number for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        swapped = list(pool.map(lambda content: storage.swap_bytes(uri, old, content), contents))
    assert sum(swapped) == 1
    assert storage.read_bytes(uri) == contents[swapped.index(True)]
