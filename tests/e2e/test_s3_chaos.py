"""A line that drops, delays, cuts, resets and refuses 5 % of the requests: the bytes are right all the same."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import servers
from ostinato import storage
from ostinato.artifacts import MANIFEST, WEIGHTS
from ostinato.batches import open_source
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Interrupted
from ostinato.load import load_config
from ostinato.trainer.progress import Quiet
from ostinato_components import preprocess, train

CONFIG = {
    "input_features": [{"name": "x", "type": "number"}, {"name": "c", "type": "category"}],
    "output_features": [{"name": "y", "type": "number"}],
}
ROWS = 200_000
GENERATOR = np.random.default_rng(0)
TABLE = pa.table(
    {
        "x": GENERATOR.normal(size=ROWS),
        "c": GENERATOR.choice(["red", "green", "blue"], ROWS),
        "y": GENERATOR.normal(size=ROWS),
    }
)


@pytest.fixture
def small_ranges(monkeypatch):
    """More requests for the same bytes."""
    from ostinato.storage import reading, writing

    monkeypatch.setattr(reading, "RANGE_BYTES", 1 << 15)
    monkeypatch.setattr(reading, "_FIRST_BYTES", 1 << 14)
    monkeypatch.setattr(writing, "PART_BYTES", 5 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "many"])
def test_preprocessing_from_and_to_a_bucket_gives_the_bytes_of_a_quiet_day(
    s3, chaotic_s3, small_ranges, tmp_path, name
):
    if name == "many":
        (tmp_path / name).mkdir()
        for number in range(200):
            pq.write_table(TABLE.slice(number * 1000, 1000), tmp_path / name / f"{number:03d}.parquet")
    elif name == "a.csv":
        TABLE.to_pandas().to_csv(tmp_path / name, index=False)
    else:
        pq.write_table(TABLE, tmp_path / name, row_group_size=20_000)
    s3.put(str(tmp_path / name), f"warehouse/{name}", recursive=True)
    config = load_config(CONFIG).config
    ours = preprocess.run(str(tmp_path / name), config, str(tmp_path / "data"))
    theirs = preprocess.run(f"s3://warehouse/{name}", config, "s3://warehouse/data")
    assert theirs.splits == ours.splits
    for path in (tmp_path / "data").iterdir():
        if path.name != MANIFEST:
            assert s3.cat_file(f"warehouse/data/{path.name}") == path.read_bytes()
    read, expected = DataFolder("s3://warehouse/data").read("training"), DataFolder(tmp_path / "data").read("training")
    assert all(np.array_equal(read[column], expected[column]) for column in expected)
    assert sum(chaotic_s3.done.values()) >= 3, chaotic_s3.done


def test_objects_are_written_read_listed_and_removed(s3, s3_endpoint, monkeypatch, small_ranges, tmp_path):
    content = np.random.default_rng(0).bytes(12_345_678)
    (tmp_path / "a.bin").write_bytes(content)
    with servers.chaotic(s3_endpoint, seed=1, share=0.2) as (endpoint, chaos):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        for number in range(20):
            storage.write_bytes_atomic(f"s3://warehouse/run/{number:02d}.json", json.dumps(number).encode())
        assert [json.loads(storage.read_bytes(uri)) for uri in storage.list_files("s3://warehouse/run")] == [*range(20)]
        storage.upload(str(tmp_path / "a.bin"), "s3://warehouse/run/deep/a.bin")
        assert s3.cat_file("warehouse/run/deep/a.bin") == content
        storage.download("s3://warehouse/run/deep/a.bin", str(tmp_path / "b.bin"))
        assert Path(tmp_path / "b.bin").read_bytes() == content
        assert len(storage.find("s3://warehouse/run")) == 21
        storage.remove("s3://warehouse/run")
        assert s3.find("warehouse") == []
        assert set(chaos.done) == set(chaos.KINDS), "every kind of mischief has happened"


@pytest.mark.parametrize("kind", ["unsent", "unanswered", "cut", "reset", "busy"])
def test_what_never_comes_whole_is_an_error_at_last(s3, s3_endpoint, monkeypatch, kind):
    s3.pipe_file("warehouse/a.csv", b"x\n" + b"1\n" * 1000)
    source = open_source("s3://warehouse/a.csv")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    with servers.chaotic(s3_endpoint, share=1.0, kinds=[kind]) as (endpoint, chaos):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(DataError, match=r"a\.csv: .*(too busy|does not answer|broke off)"):
            list(source.batches())
        assert chaos.done[kind] > 1


class Interrupting(Quiet):
    """Sends SIGTERM after so many steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self, step: int) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_training_streams_from_a_bucket_and_goes_on_from_its_checkpoints_there(s3, chaotic_s3, tmp_path):
    backend = {"trainer": {"rows_in_memory": 4_000, "checkpoint_interval_s": 0.01}}
    trainer = {"epochs": 2, "batch_size": 256, "refit": False}
    config = load_config({**CONFIG, "trainer": trainer, "backend": backend}).config
    source = TABLE.slice(0, 12_000)
    preprocess.run(source, config, str(tmp_path / "data"), shard_rows=2048)
    preprocess.run(source, config, "s3://warehouse/data", shard_rows=2048)
    train.run(str(tmp_path / "data"), config, str(tmp_path / "model"), progress=Quiet())
    places = {"checkpoints": "s3://warehouse/checkpoints", "resume": True}
    with pytest.raises(Interrupted):
        train.run("s3://warehouse/data", config, "s3://warehouse/model", progress=Interrupting(40), **places)
    assert s3.glob("warehouse/checkpoints/*/step-*")
    train.run("s3://warehouse/data", config, "s3://warehouse/model", progress=Quiet(), **places)
    assert s3.cat_file(f"warehouse/model/{WEIGHTS}") == (tmp_path / "model" / WEIGHTS).read_bytes()
    assert not s3.glob("warehouse/checkpoints/*/step-*", refresh=True)
    assert sum(chaotic_s3.done.values()) >= 3, chaotic_s3.done
