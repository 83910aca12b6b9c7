"""Exports that are killed twenty times at random moments, and run again; several at once; where nothing can be written.

Each export is a process of its own, forked from one that has imported torch, so that the moments lie in the work.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
import torch

from ostinato import storage
from ostinato.artifacts import BUNDLE
from ostinato.bundle import load_bundle
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Interrupted
from ostinato.load import load_config
from ostinato.model.ecd import ECD
from ostinato.model.folder import save_model
from ostinato.predictor import Predictor
from ostinato_components import export, preprocess
from ostinato_components.deadline import ends_in_time
from ostinato_components.task import task

TABLE = pa.table({name: np.random.default_rng(0).normal(size=200) for name in "xyz"})
CONFIG = {
    "input_features": [{"name": "x", "type": "number"}, {"name": "y", "type": "number"}],
    "output_features": [{"name": "z", "type": "number"}],
}
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["ostinato_components.export.bundling", "onnxscript", "torch.onnx", __name__])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder, a model folder, and the bundle of a quiet day."""
    folder = tmp_path_factory.mktemp("export")
    config = load_config(CONFIG).config
    preprocess.run(TABLE, config, str(folder / "data"))
    data = DataFolder(str(folder / "data"))
    torch.manual_seed(0)
    model = ECD(config, data.shapes(config))
    rows = {name: torch.tensor(column) for name, column in data.read("training").items()}
    model.fit(rows, rows)
    save_model(str(folder / "model"), model.eval().state_dict(), config, data.fitted(config))
    step(folder, folder / "bundle")
    return folder


def work(model, data, bundle, environment):
    """As the component runs it in a pod."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    with task(), ends_in_time():
        export.run(str(model), str(data), str(bundle))


def started(folder, bundle):
    process = CONTEXT.Process(target=work, args=(folder / "model", folder / "data", bundle, dict(os.environ)))
    process.start()
    return process


def step(folder, bundle):
    """Runs to its end; the seconds that took."""
    begun = time.monotonic()
    process = started(folder, bundle)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - begun


def is_whole(bundle):
    """Whether there is a bundle; one that is half is an error."""
    if not storage.exists(f"{bundle}/{BUNDLE}"):
        return False
    load_bundle(str(bundle))
    return True


def killed_twenty_times(folder, bundle):
    """Exports that are ended at moments of their run by TERM and KILL in turn; the codes of those that were told."""
    lasts = max(step(folder, bundle), step(folder, bundle))
    storage.remove(bundle)
    chance = random.Random(0)
    codes = []
    for number in range(20):
        process = started(folder, bundle)
        time.sleep(chance.uniform(0, lasts))
        told = time.monotonic()
        process.kill() if number % 2 else process.terminate()
        process.join()
        assert time.monotonic() - told < 10
        codes += [] if number % 2 else [process.exitcode]
        is_whole(bundle)
    return codes


def assert_same(bundle, expected):
    step_files = load_bundle(str(expected)).files
    assert load_bundle(str(bundle)).files == step_files
    assert {uri.rpartition("/")[2] for uri in storage.list_files(str(bundle))} == {*step_files, BUNDLE}


@pytest.mark.slow
def test_an_export_that_was_killed_twenty_times_gives_the_bundle_of_a_quiet_day(folder, tmp_path):
    codes = killed_twenty_times(folder, str(tmp_path / "bundle"))
    assert set(codes) <= {0, Interrupted.exit_code, -signal.SIGTERM}
    assert codes.count(Interrupted.exit_code) >= 5
    step(folder, tmp_path / "bundle")
    assert_same(tmp_path / "bundle", folder / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"], "what the killed ones left is gone"


@pytest.mark.slow
def test_so_it_is_with_a_bundle_in_a_bucket(folder, s3):
    codes = killed_twenty_times(folder, "s3://warehouse/models/bundle")
    assert codes.count(Interrupted.exit_code) >= 5
    step(folder, "s3://warehouse/models/bundle")
    assert_same("s3://warehouse/models/bundle", folder / "bundle")


def test_model_data_and_bundle_may_lie_in_a_bucket_on_a_bad_line(folder, s3, chaotic_s3):
    for name in ("model", "data"):
        s3.put(str(folder / name), f"warehouse/{name}", recursive=True)
    export.run("s3://warehouse/model/", "s3://warehouse/data", "s3://warehouse/bundle/")
    assert_same("s3://warehouse/bundle", folder / "bundle")
    ours, theirs = (
        Predictor.load(where, "onnx").predict(TABLE) for where in ("s3://warehouse/bundle", folder / "bundle")
    )
    assert ours.equals(theirs)


def test_a_file_of_a_bundle_in_a_bucket_that_was_changed_is_named(folder, s3):
    s3.put(str(folder / "bundle"), "warehouse/bundle", recursive=True)
    s3.pipe_file("warehouse/bundle/model.onnx", b"no")
    with pytest.raises(DataError, match=r"s3://warehouse/bundle/model\.onnx: is not the file"):
        Predictor.load("s3://warehouse/bundle", "onnx")


def test_a_folder_of_a_bucket_that_holds_something_else_is_left_alone(folder, s3):
    s3.pipe_file("warehouse/mine/a.txt", b"mine")
    with pytest.raises(DataError, match="nothing was written"):
        export.run(str(folder / "model"), str(folder / "data"), "s3://warehouse/mine")
    assert s3.find("warehouse") == ["warehouse/mine/a.txt"]


def test_a_new_bundle_takes_the_place_of_the_old_whole(folder, s3, tmp_path):
    for bundle in (str(tmp_path / "bundle"), "s3://warehouse/bundle"):
        export.run(str(folder / "model"), str(folder / "data"), bundle)
        storage.write_bytes_atomic(f"{bundle}/left.txt", b"of an older version")
        export.run(str(folder / "model"), str(folder / "data"), bundle)
        assert_same(bundle, folder / "bundle")


def test_an_interruption_of_the_exporter_is_not_taken_for_a_network_that_has_no_onnx(folder, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        raise torch.onnx.OnnxExporterError("something is missing, because an import was interrupted")

    monkeypatch.setattr(torch.onnx, "export", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.run(str(folder / "model"), str(folder / "data"), str(tmp_path / "bundle"))
    assert list(tmp_path.iterdir()) == []


def test_two_exports_to_the_same_place_leave_one_whole_bundle(folder, tmp_path):
    processes = [started(folder, tmp_path / "bundle") for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert_same(tmp_path / "bundle", folder / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_call_that_does_not_come_back_does_not_delay_the_end(tmp_path):
    code = """
import ctypes, sys
from ostinato_components.deadline import ends_in_time
from ostinato_components.task import task
with task(), ends_in_time(0.5):
    print("ready", flush=True)
    ctypes.CDLL(None).sleep(30)
    ctypes.CDLL(None).sleep(30)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    process.terminate()
    assert process.wait(5) == Interrupted.exit_code
    process.stdout.close()


def test_a_disk_that_is_full_is_told_and_leaves_the_old_bundle(folder, tmp_path, monkeypatch):
    """A limit on the size of files stands in for the disk: what writes too much gets an error of the system."""
    export.run(str(folder / "model"), str(folder / "data"), str(tmp_path / "bundle"))
    before = (tmp_path / "bundle" / BUNDLE).read_bytes()
    code = f"""
import resource, signal
from ostinato_components import export
from ostinato_components.task import task
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with task():
    from ostinato_components.export import bundling
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    export.run({str(folder / "model")!r}, {str(folder / "data")!r}, {str(tmp_path / "bundle")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == DataError.exit_code, done.stderr
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "bundle" / BUNDLE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_may_not_be_written_is_told(folder, open_folder, nobody):
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.getuid() and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    open_folder.chmod(0o555)
    nobody()
    with pytest.raises(DataError, match="can't be written: Permission denied"):
        export.run(str(folder / "model"), str(folder / "data"), str(open_folder / "deep" / "bundle"))
