"""Our image in a real container engine: what it promises, and two nodes that train together."""

import contextlib
import json
import logging
from pathlib import Path

import fsspec
import numpy as np
import pytest
import yaml
from kubeflow.trainer import ContainerBackendConfig

import servers
from ostinato.errors import DataError
from ostinato.load import load_config
from ostinato_components import train, train_nodes
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train_nodes.containers import Containers

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/penguins"
DOCUMENT = {
    **yaml.safe_load((EXAMPLE / "config.yaml").read_text()),
    # Every process draws its own dropout.
    "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16, "dropout": 0.0},
    "trainer": {"epochs": 4, "effective_batch_size": 32, "refit": False},
    "backend": {"storage": "s3://warehouse/ostinato", "trainer": {"num_nodes": 2}},
}
CONFIG = load_config(DOCUMENT).config


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "data"
    preprocess(str(EXAMPLE / "penguins.csv"), CONFIG, str(folder))
    return folder


@pytest.fixture(scope="module")
def store(docker_engine):
    """An S3 server at an address of this machine that containers reach, and its bucket."""
    network = docker_engine.networks.create("ostinato-test")
    network.reload()
    (subnet,) = network.attrs["IPAM"]["Config"]
    with (
        contextlib.ExitStack() as stack,
        servers.s3_server(subnet["Gateway"]) as endpoint,
        pytest.MonkeyPatch.context() as patch,
    ):
        stack.callback(network.remove)
        for name, value in (servers.ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": endpoint}).items():
            patch.setenv(name, value)
        system = fsspec.filesystem("s3", endpoint_url=endpoint)
        system.mkdir(servers.BUCKET)
        yield system


@pytest.fixture
def nodes(docker_host):
    return containers_of(docker_host)


def containers_of(docker_host):
    return Containers(
        ContainerBackendConfig(container_runtime="docker", container_host=docker_host, pull_policy="Never")
    )


@pytest.fixture(scope="module")
def trained(docker_host, train_image, store, data, tmp_path_factory):
    """What two nodes in containers left, and what they printed."""
    out = tmp_path_factory.mktemp("out")
    lines: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("ostinato.train_nodes")
    logger.setLevel(logging.INFO)
    logger.addHandler(listener)
    nodes = containers_of(docker_host)
    try:
        train_nodes.run(str(data), CONFIG, str(out / "model"), str(out / "curves.html"), image=train_image, nodes=nodes)
    finally:
        logger.removeHandler(listener)
    return out, lines


def in_a_pod(engine, image, command, **options):
    """Runs a command as a strict cluster does: any user, group 0, no capability, nothing writable but /tmp."""
    return engine.containers.run(
        image,
        command,
        user="12345:0",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},
        remove=True,
        stderr=True,
        **options,
    ).decode()


def test_the_image_trains_as_any_user_without_rights_and_without_a_network(docker_engine, train_image, data):
    for path in (data, *data.parents):
        path.chmod(path.stat().st_mode | 0o055)
    text = json.dumps({**DOCUMENT, "backend": {}})
    program = (
        "import os; from ostinato.load import from_json; from ostinato_components.train import run; "
        f"result = run('/data', from_json({text!r}), '/tmp/model'); "
        "print(os.getuid(), os.getgid(), sorted(os.listdir('/tmp/model')), result.epochs)"
    )
    volumes = {str(data): {"bind": "/data", "mode": "ro"}}
    output = in_a_pod(docker_engine, train_image, ["python3", "-c", program], network_mode="none", volumes=volumes)
    # The engine orders what comes from stdout and stderr as it likes.
    (line,) = [line for line in output.splitlines() if line.startswith("12345 0 ")]
    assert "model_weights.safetensors" in line
    assert line.endswith(" 4")


def test_a_login_shell_finds_what_a_node_needs(docker_engine, train_image):
    output = in_a_pod(docker_engine, train_image, ["bash", "-lc", "torchrun --help | head -1"])
    assert output.startswith("usage: torchrun")


def test_two_nodes_in_containers_find_each_other_and_leave_a_model(trained, store):
    out, lines = trained
    assert (out / "model" / "model_weights.safetensors").stat().st_size > 0
    assert "<svg" in (out / "curves.html").read_text()
    assert {line for line in lines if line.startswith("rank ")} == {"rank 0 of 2", "rank 1 of 2"}
    assert store.find("warehouse/ostinato/jobs") == []


def test_two_nodes_train_one_model_and_not_one_each(trained, data, tmp_path):
    """Only one of them speaks, and the losses are those of one process with the same batches."""
    out, lines = trained
    assert len([line for line in lines if line.startswith("training on ")]) == 1
    alone = load_config({**DOCUMENT, "backend": {}}).config
    train.run(str(data), alone, str(tmp_path / "model"))
    losses = [
        json.loads((folder / "model" / "training_statistics.json").read_text())["training"]["combined"]["loss"]
        for folder in (out, tmp_path)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_no_container_and_no_network_is_left(trained, docker_engine):
    assert docker_engine.containers.list(all=True, filters={"label": "trainer.kubeflow.org/trainjob-name"}) == []
    assert not [network for network in docker_engine.networks.list() if network.name.endswith("-net")]


def test_an_error_of_the_data_in_a_container_is_that_of_the_step(nodes, train_image, store, data, tmp_path):
    """A shard that is not there."""
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["splits"]["training"][0]["path"] = "s3://warehouse/gone.parquet"
    copy = tmp_path / "data"
    copy.mkdir()
    for path in data.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"gone\.parquet"):
        train_nodes.run(
            str(copy), CONFIG, str(tmp_path / "model"), str(tmp_path / "c.html"), image=train_image, nodes=nodes
        )
