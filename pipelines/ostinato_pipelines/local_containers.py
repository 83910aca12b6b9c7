"""Steps of a local run in containers, as a strict cluster would run them: any user, no rights, nothing writable."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ostinato import storage
from ostinato.backend.kubernetes.spec import S3_KEYS
from ostinato.errors import ConfigError, Problem
from ostinato.model_registry.spec import SECRET_KEYS as REGISTRY_KEYS
from ostinato.notify.spec import SECRET_KEYS as NOTIFY_KEYS
from ostinato_pipelines.local_steps import Running, without_executor_log

_INTERRUPT = """
import contextlib, os, signal
for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
    with contextlib.suppress(ProcessLookupError):
        if pid not in (1, os.getpid()) and os.getpgid(pid) == os.getpgid(1):
            os.kill(pid, signal.SIGTERM)
"""
"""What a signal to the group of a pod's first process does, but for that process itself: a shell, which would die of it
and take the step along. What the step has started in groups of its own it tells itself."""


@dataclass(frozen=True)
class ContainerOptions:
    """What may be said of the containers of a run."""

    image_data: str = ""
    """Image of the steps without torch; empty for that of the config, or of this version."""
    image_train: str = ""
    """Image of the steps with torch; likewise."""
    user: str = ""
    """UID:GID of the steps; empty for this user, in group 0 as on a cluster."""
    network: str = ""
    """Network of the engine; empty for none at all, or for `bridge` where a step has somebody to talk to."""


@dataclass(frozen=True)
class Containers:
    """How steps run in containers of Docker, or of what speaks as it does (podman)."""

    user: str
    """UID:GID."""
    network: str
    """Network of the engine."""
    store: str
    """Folder that every step may write to."""
    readable: tuple[str, ...] = ()
    """Folders and files that every step may read."""
    writable: tuple[str, ...] = ()
    """Folders, besides the store, that steps write to."""
    shm_size: str = ""
    """Size of /dev/shm; empty for the engine's own."""
    client: Any = None
    """Docker's."""

    @property
    def handler(self) -> ModuleType:
        """KFP's module that runs containers."""
        from kfp.local import docker_task_handler

        module: ModuleType = docker_task_handler
        return module

    def check_images(self, names: Iterable[str]) -> None:
        """Sees to it that the images are here, pulled if need be.

        Raises:
            ConfigError: an image is not there.
        """
        import docker

        problems = []
        for name in dict.fromkeys(names):
            try:
                self.client.images.get(name)
            except docker.errors.ImageNotFound:
                try:
                    self.client.images.pull(name)
                except docker.errors.APIError as error:
                    message = f"the image is neither here nor to be had: {_said(error)}"
                    problems.append(Problem(name, message, hint="make images builds ours; --image_data, --image_train"))
        if problems:
            raise ConfigError(problems)

    def run(
        self,
        image: str,
        command: list[str],
        environment: Mapping[str, str],
        printed: Callable[[str], None],
        running: Running,
    ) -> int:
        """Runs a step; its exit code, 128 + N where signal N killed it.

        Raises:
            ConfigError: the engine can't start it.
        """
        import docker

        try:
            container = self.client.containers.create(image, command, **self._options(environment))
        except docker.errors.APIError as error:
            raise ConfigError(Problem(image, f"the engine can't make a container: {_said(error)}")) from error
        try:
            container.start()
            step = _Container(container)
            with running.told(step):
                try:
                    for line in without_executor_log(_lines(container)):
                        printed(line)
                    return int(container.wait()["StatusCode"])
                except KeyboardInterrupt:
                    running.interrupt()
                    container.wait()  # ends: by itself, or killed when its time is over
                    raise
        except docker.errors.APIError as error:
            raise ConfigError(Problem(image, f"the engine can't run it: {_said(error)}")) from error
        finally:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)

    def _options(self, environment: Mapping[str, str]) -> dict[str, Any]:
        names = (*S3_KEYS, *NOTIFY_KEYS, *REGISTRY_KEYS)
        keys = {name: os.environ[name] for name in names if name in os.environ}
        volumes = {self.store: "rw"} | dict.fromkeys(self.readable, "ro") | dict.fromkeys(self.writable, "rw")
        return {
            "user": self.user,
            "network_mode": self.network,
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "environment": {"HOME": "/tmp", **keys, **environment},  # noqa: S108
            "volumes": {path: {"bind": path, "mode": mode} for path, mode in volumes.items()},
            "detach": True,
            **({"shm_size": self.shm_size} if self.shm_size else {}),
        }


class _Container:
    """A step in a container."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def interrupt(self) -> None:
        """SIGTERM for all of its processes."""
        import docker

        with contextlib.suppress(docker.errors.APIError):  # it has ended
            self._container.exec_run(["python3", "-c", _INTERRUPT], detach=True)

    def kill(self) -> None:
        """Ends it."""
        import docker

        with contextlib.suppress(docker.errors.APIError):
            self._container.kill()


def containers_of(
    options: ContainerOptions,
    store: Path,
    *,
    reads: Iterable[str],
    writes: Iterable[str],
    shm_size: str = "",
    talks: bool = False,
) -> Containers:
    """The containers of a run.

    Args:
        options: what was said of them.
        store: folder of artifacts and cache; opened to their user.
        reads: URIs that the steps read.
        writes: URIs that they write to.
        shm_size: size of /dev/shm, as Kubernetes says it; empty for the engine's own.
        talks: whether a step talks to a registry of models or to people.

    Raises:
        ConfigError: the package `docker` is not installed, no engine answers, or the user is none.
    """
    user = options.user or f"{os.getuid()}:0"
    if re.fullmatch(r"\d+(:\d+)?", user) is None:
        raise ConfigError(Problem("--container_user", f"found '{user}'", "UID or UID:GID, e.g. 12345:0"))
    reads, writes = list(reads), list(writes)
    is_remote = any(uri and not storage.is_local(uri) for uri in (*reads, *writes))
    containers = Containers(
        user=user,
        network=options.network or ("bridge" if is_remote or talks else "none"),
        store=str(store),
        readable=tuple(local_places(reads)),
        writable=tuple(local_places(writes)),
        # What Kubernetes calls Gi is g there.
        shm_size=shm_size.rstrip("i").lower(),
        client=_client(),
    )
    for folder in (store, store / "artifacts", store / "checkpoints"):
        folder.mkdir(parents=True, exist_ok=True)
        open_to(folder, user)
    return containers


def local_places(uris: Iterable[str]) -> list[str]:
    """The files and folders of this machine among URIs; of a pattern the folder above it."""
    found = []
    for uri in uris:
        if uri and storage.is_local(uri):
            path = Path(storage.local_path(uri)).absolute()
            while any(letter in path.name for letter in "*?[") or not path.exists():
                if path == path.parent:
                    break
                path = path.parent
            found.append(str(path))
    return found


def open_to(path: Path, user: str) -> None:
    """Lets the user of the containers write to a folder of the run's own, where that is another user."""
    if int(user.partition(":")[0]) != os.getuid():
        path.chmod(0o777)


def _client() -> Any:
    try:
        import docker
    except ImportError as error:
        message = "the package docker is not installed"
        raise ConfigError(Problem("--runner docker", message, hint="pip install 'ostinato[containers]'")) from error
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        hint = "start Docker, or set DOCKER_HOST to the socket of podman"
        raise ConfigError(Problem("--runner docker", "no engine of containers answers", hint=hint)) from error
    return client


def _lines(container: Any) -> Iterator[str]:
    """The lines of a container as they come; logs come in pieces of any length."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for piece in container.logs(stream=True, follow=True):
        *whole, rest = (rest + decoder.decode(piece)).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest


def _said(error: Any) -> str:
    return str(getattr(error, "explanation", None) or error).splitlines()[0][:300]
