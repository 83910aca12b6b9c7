"""Servers that tests share, and how properties are tested."""

import contextlib
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

import servers

# A machine that checks a change tries the same examples each time; new ones are found at the desk.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def s3_endpoint():
    """An S3 server, started when first wanted."""
    with servers.s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint, monkeypatch):
    """A file system with an empty bucket `warehouse`; the environment says where it is."""
    import fsspec

    for name, value in (servers.ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": s3_endpoint}).items():
        monkeypatch.setenv(name, value)
    system = fsspec.filesystem("s3", endpoint_url=s3_endpoint)
    if system.exists(servers.BUCKET):
        system.rm(servers.BUCKET, recursive=True)
    system.mkdir(servers.BUCKET)
    return system


@pytest.fixture
def chaotic_s3(s3, s3_endpoint, monkeypatch):
    """As `s3`, but the way there drops, delays, cuts and refuses 5 % of the requests; gives what happened.

    What a test does itself with the file system of `s3` goes straight to the server.
    """
    with servers.chaotic(s3_endpoint) as (endpoint, chaos):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield chaos


@pytest.fixture
def watched_s3(s3, s3_endpoint, monkeypatch):
    """As `s3`, and tells which requests came."""
    with servers.chaotic(s3_endpoint, share=0.0) as (endpoint, chaos):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield chaos


@pytest.fixture
def open_folder():
    """A folder that any user may enter; those of `tmp_path` are for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def nobody():
    """Call it to go on as a user who is not root and may not read everything; the test's end takes it back."""
    user = os.geteuid()
    yield lambda: os.seteuid(65534) if user == 0 else None
    os.seteuid(user)


@pytest.fixture(scope="session")
def docker_host():
    """The address of a real Docker Engine."""
    import containers

    return containers.address()


@pytest.fixture(scope="session")
def docker_engine(docker_host):
    """A client of it."""
    import docker

    with contextlib.closing(docker.DockerClient(base_url=docker_host, timeout=1200)) as client:
        yield client


@pytest.fixture(scope="session")
def data_image(docker_engine):
    """The name of our image `data` in it, built when first wanted."""
    import containers

    return containers.our_image(docker_engine, "data")


@pytest.fixture(scope="session")
def train_image(docker_engine):
    """The name of our image `train` in it, built when first wanted."""
    import containers

    return containers.our_image(docker_engine, "train")
