"""The whole DAG in containers, as a strict cluster runs it: any user, no rights, no network, nothing writable."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest
import yaml

import containers
import servers
from ostinato.errors import ConfigError, DataError, OstinatoError
from ostinato_pipelines.cli import main
from ostinato_pipelines.local import run_local
from ostinato_pipelines.local_containers import ContainerOptions

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/penguins"
DOCUMENT = {**yaml.safe_load((EXAMPLE / "config.yaml").read_text()), "trainer": {"epochs": 2, "refit": False}}
STEPS = ["resolve", "infer_schema", "preprocess", "train", "evaluate", "export"]
USER = "12345:0"


@pytest.fixture(scope="module")
def images(docker_host, data_image, train_image):
    """What the commands are told of images; the engine is that of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        yield {"image_data": data_image, "image_train": train_image, "user": USER}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder that any user may go into."""
    folder = tmp_path_factory.mktemp("home")
    for path in (folder, *folder.parents):
        path.chmod(path.stat().st_mode | 0o055)
    shutil.copy(EXAMPLE / "penguins.csv", folder / "penguins.csv")
    return folder


@pytest.fixture(scope="module")
def ran(images, home):
    """A run, and the settings of its containers as the engine knew them."""
    with watched(home) as seen:
        run = run_local(
            DOCUMENT,
            home / "penguins.csv",
            output_directory=home / "out",
            store=home / "store",
            containers=ContainerOptions(**images),
        )
    return run, seen


def is_ours(container, home):
    """Whether it is of these tests; others use the engine at the same time."""
    return any(mount["Source"].startswith(str(home)) for mount in container.attrs["Mounts"])


@contextlib.contextmanager
def watched(home):
    """Gathers the settings of each container of ours that the engine starts meanwhile."""
    import docker

    seen: dict[str, dict] = {}
    client = docker.from_env()
    events = client.events(decode=True, filters={"type": "container", "event": "start"})

    def gather():
        for event in events:
            with contextlib.suppress(docker.errors.NotFound):
                container = client.containers.get(event["id"])
                if is_ours(container, home):
                    seen[event["id"]] = container.attrs

    thread = threading.Thread(target=gather, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        events.close()
        thread.join(5)
        client.close()


def test_every_step_runs_and_the_results_are_those_of_any_run(ran, home):
    run, _ = ran
    assert [step.name for step in run.steps] == STEPS
    assert run.metrics
    assert all(Path(path).exists() for path in run.results.values())
    assert json.loads((home / "out/run.json").read_text())["state"] == "succeeded"


def test_each_container_has_no_rights_no_network_and_nothing_to_write_but_its_folders(ran, images, home):
    _, seen = ran
    assert len(seen) == len(STEPS)
    assert {each["Config"]["Image"] for each in seen.values()} == {images["image_data"], images["image_train"]}
    for attributes in seen.values():
        host = attributes["HostConfig"]
        assert attributes["Config"]["User"] == USER
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        writable = [mount["Destination"] for mount in attributes["Mounts"] if mount["RW"]]
        assert writable == [str(home / "store")]


def test_what_the_steps_wrote_is_of_their_user(ran, home):
    weights = list((home / "store").rglob("model_weights.safetensors"))
    assert weights
    assert {path.stat().st_uid for path in weights} == {12345}


def test_a_second_run_is_cached(ran, images, home):
    again = run_local(
        DOCUMENT,
        home / "penguins.csv",
        output_directory=home / "out",
        store=home / "store",
        containers=ContainerOptions(**images),
    )
    assert {step.name for step in again.steps if not step.cached} == {"resolve"}


def test_no_container_is_left(ran, docker_engine, home):
    assert [each for each in docker_engine.containers.list(all=True) if is_ours(each, home)] == []


def test_data_in_a_bucket_are_read_over_the_network_that_was_named(images, home, docker_engine, monkeypatch):
    network = docker_engine.networks.create("ostinato-run-test")
    network.reload()
    gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
    try:
        with servers.s3_server(gateway) as endpoint:
            for name, value in (servers.ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": endpoint}).items():
                monkeypatch.setenv(name, value)
            system = fsspec.filesystem("s3", endpoint_url=endpoint)
            system.mkdir(servers.BUCKET)
            system.put_file(str(home / "penguins.csv"), f"{servers.BUCKET}/penguins.csv")
            run = run_local(
                DOCUMENT,
                f"s3://{servers.BUCKET}/penguins.csv",
                output_directory=home / "bucket",
                store=home / "bucket-store",
                containers=ContainerOptions(**images, network=network.name),
            )
    finally:
        network.remove()
    assert [step.name for step in run.steps] == STEPS


def test_a_step_that_fails_fails_the_run_and_says_why(images, home):
    (home / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column 'species'"):
        run_local(
            DOCUMENT,
            home / "bad.csv",
            output_directory=home / "bad",
            store=home / "store",
            containers=ContainerOptions(**images),
        )
    record = json.loads((home / "bad/run.json").read_text())
    assert (record["state"], record["exit_code"]) == ("failed", 3)
    assert "there is no column 'island'" in record["problems"][0]


def command(images, home, *flags, config):
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return [
        sys.executable, "-m", "ostinato_pipelines.cli", "run", str(path), "--dataset", str(home / "penguins.csv"),
        "--runner", "docker", "--image_data", images["image_data"], "--image_train", images["image_train"],
        "--container_user", USER, *flags,
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 4), (signal.SIGKILL, 1)])
def test_training_that_is_told_to_end_ends_with_a_checkpoint_and_one_that_is_killed_is_a_failure(
    images, home, docker_engine, tmp_path, number, code
):
    """SIGTERM goes to the command; SIGKILL, as the kernel sends it when memory runs out, to the container."""
    config = {**DOCUMENT, "trainer": {"epochs": 100_000, "early_stop": -1, "refit": False}}
    process = subprocess.Popen(
        command(images, home, "-o", str(tmp_path / "out"), config=config),
        cwd=home, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said = ""
    for line in process.stderr:
        said += line
        if re.search(r"epoch \d+/100000", line):
            if number == signal.SIGTERM:
                process.send_signal(number)
            else:
                (running,) = [each for each in docker_engine.containers.list() if is_ours(each, home)]
                running.kill()
            break
    started = time.monotonic()
    said += process.stderr.read()
    assert process.wait() == code, said
    assert time.monotonic() - started < 30
    assert "Traceback" not in said
    assert ("--resume" if code == 4 else "was killed by signal 9") in said
    assert [each for each in docker_engine.containers.list(all=True) if is_ours(each, home)] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image_data": "localhost/ostinato-nothing:1"}, "neither here nor to be had"),
        ({"user": "me"}, "UID or UID:GID"),
        ({"network": "ostinato-no-network"}, "the engine can't"),
    ],
)
def test_what_the_engine_can_not_do_is_an_error_of_the_command_line(images, home, tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        run_local(
            DOCUMENT,
            home / "penguins.csv",
            output_directory=tmp_path / "out",
            store=tmp_path / "store",
            containers=ContainerOptions(**{**images, **options}),
        )


def test_without_an_engine_it_says_so(images, home, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(OstinatoError, match="no engine of containers answers"):
        run_local(
            DOCUMENT, home / "penguins.csv", output_directory=tmp_path / "out", containers=ContainerOptions(**images)
        )


def test_flags_of_containers_are_for_containers(capsys):
    assert main(["run", "config.yaml", "--dataset", "d.csv", "--container_user", "1"]) == 2
    assert "are for --runner docker" in capsys.readouterr().err


def test_the_images_say_what_they_are_and_hold(docker_engine, images):
    for name in ("data", "train"):
        labels = docker_engine.images.get(images[f"image_{name}"]).labels
        assert labels["org.opencontainers.image.title"] == f"ostinato-{name}"
        show = ["cat", "/usr/share/ostinato/sbom.cdx.json"]
        bill = json.loads(docker_engine.containers.run(images[f"image_{name}"], show, remove=True))
        found = {each["name"] for each in bill["components"]}
        assert {"ostinato", "pyarrow", "kfp"} <= found
        assert ("torch" in found) == (name == "train")


def test_the_data_image_adds_less_than_270_mb_to_its_base(docker_engine, images):
    base = docker_engine.images.get(containers.base_image(docker_engine))
    whole = docker_engine.images.get(images["image_data"])
    assert whole.attrs["Size"] - base.attrs["Size"] < 270e6
