"""A real container engine for tests, and our own images in it, without a registry of images.

The base of the images is made of this machine: the Debian packages that every system has, bash, and this Python. On it
`images/*/Containerfile` are built as they are; only the packages of Python come over the network.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import site
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import docker
import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE_IMAGE = "localhost/ostinato-base"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def address() -> str:
    """Where the engine listens that tests use: DOCKER_HOST, or the usual place.

    Without one the test is skipped where somebody develops; CI must have one, and `.ci/run` starts it.
    """
    found = os.environ.get("DOCKER_HOST") or (
        "unix:///var/run/docker.sock" if Path("/var/run/docker.sock").exists() else ""
    )
    if not found:
        assert not os.environ.get("CI"), "CI tests in containers: set DOCKER_HOST"
        pytest.skip("there is no Docker Engine: no DOCKER_HOST and no /var/run/docker.sock")
    return found


def base_image(client: docker.DockerClient) -> str:
    """An image with bash and this Python; what `docker.io/library/python` is elsewhere."""
    paths = sorted({*_system_files(), *_python_files(), *_wheels(), CERTIFICATES})
    digest = hashlib.sha256(f"{sys.version} {_pip_settings()} {len(paths)}".encode()).hexdigest()[:12]
    name = f"{BASE_IMAGE}:{digest}"
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(name)
        return name
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path in paths:
                archive.add(f"/{path}", path, recursive=False, filter=_for_everybody)
            _link(archive, "usr/local/bin/python3", sys.base_prefix + "/bin/python3")
            _link(archive, "usr/local/bin/python", "python3")
            _write(archive, "etc/pip.conf", _pip_settings())
        file.seek(0)
        client.api.import_image_from_data(file, repository=BASE_IMAGE, tag=digest)
    return name


def _for_everybody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Readable by any user: a Python below /root is in the image at the same path."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode |= 0o555 if entry.isdir() else 0o444
    return entry


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)


def _write(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), 0o644
    archive.addfile(entry, io.BytesIO(text.encode()))


def _system_files() -> set[str]:
    """The files of the packages that Debian calls essential, and of what these need."""
    fields = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\n"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    needs: dict[str, list[str]] = {}
    wanted = ["ca-certificates", "libstdc++6"]
    for line in fields.splitlines():
        package, essential, depends = line.split("\t")
        needs[package] = [part.split("|")[0].strip().split(" ")[0].split(":")[0] for part in depends.split(",")]
        wanted += [package] if essential == "yes" else []
    found: set[str] = set()
    while wanted:
        package = wanted.pop()
        if package in needs and package not in found:
            found.add(package)
            wanted += needs[package]
    listed = subprocess.run(["dpkg-query", "-L", *sorted(found)], capture_output=True, text=True, check=True).stdout
    files = {line for line in listed.splitlines() if line.startswith("/") and os.path.lexists(line)}
    skipped = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/")
    # Under the real name: /lib is a link to /usr/lib.
    whole = {os.path.join(os.path.realpath(os.path.dirname(file)), os.path.basename(file)) for file in files}
    whole |= {"/bin", "/sbin", "/lib", "/lib64", "/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/tmp"}
    whole |= {str(path) for path in Path("/etc/alternatives").iterdir()}
    return {
        file.lstrip("/") for file in whole if not file.startswith(skipped) and file != "/" and os.path.lexists(file)
    }


def _python_files() -> set[str]:
    """This interpreter, its library without what was installed into it but pip, and what they are linked against."""
    prefix = Path(sys.base_prefix)
    library = Path(sysconfig.get_path("stdlib"))
    kept = [Path(place) for place in site.getsitepackages([str(prefix)])]
    files = {prefix / "bin" / "python3", (prefix / "bin" / "python3").resolve(), *prefix.glob("lib/libpython3*")}
    for path in library.rglob("*"):
        inside = path.relative_to(library).parts
        installed = any(place in path.parents and path.relative_to(place).parts[0][:3] != "pip" for place in kept)
        if inside[0] not in ("test", "config-3", "ensurepip") and "__pycache__" not in inside and not installed:
            files.add(path)
    linked = [path for path in files if ".so" in path.name] + [(prefix / "bin" / "python3").resolve()]
    told = subprocess.run(["ldd", *map(str, linked)], capture_output=True, text=True, check=False).stdout
    words = {line.split("=>")[1].split()[0] for line in told.splitlines() if "=> /" in line}
    for word in words:
        files |= {Path(os.path.realpath(os.path.dirname(word)), os.path.basename(word)), Path(word).resolve()}
    return {str(parent).lstrip("/") for file in files for parent in (file, *file.parents)} - {""}


def _wheels() -> set[str]:
    """The folders of wheels that pip looks into on this machine."""
    places = [Path(place) for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    found = {path for place in places for path in (place, *place.rglob("*"))}
    return {str(path).lstrip("/") for path in found if path.exists()}


def _pip_settings() -> str:
    """How pip gets at packages on this machine."""
    places = os.environ.get("PIP_FIND_LINKS", "")
    return f"[global]\ncert = /{CERTIFICATES}\n" + (f"find-links = {places}\n" if places else "")


def build(client: docker.DockerClient, containerfile: Path, name: str, **arguments: str) -> str:
    """An image by a Containerfile of ours, with what `.dockerignore` lets through as the context."""
    with io.BytesIO() as context, tarfile.open(fileobj=context, mode="w") as archive:
        for part in ("pyproject.toml", "README.md", "LICENSE", "shared", "components", "pipelines", "images"):
            archive.add(ROOT / part, part, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        archive.close()
        context.seek(0)
        try:
            client.images.build(
                fileobj=context, custom_context=True, dockerfile=str(containerfile.relative_to(ROOT)), tag=name,
                buildargs=arguments, network_mode="host", rm=True, forcerm=True,
            )  # fmt: skip
        except docker.errors.BuildError as error:
            log = "".join(part.get("stream", "") for part in error.build_log)
            pytest.fail(f"{error.msg}\n{log[-4000:]}")
    return name


def our_image(client: docker.DockerClient, name: str) -> str:
    """The image `data` or `train`, built by its Containerfile; once, also where several processes test."""
    with Path(tempfile.gettempdir(), "ostinato-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = base_image(client)
        containerfile = ROOT / "images" / name / "Containerfile"
        return build(client, containerfile, f"localhost/ostinato-{name}:test", PYTHON_IMAGE=base)
