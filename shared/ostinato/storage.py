"""Files by URI: local paths, s3://, minio:// as KFP writes it, http(s)://, and whatever else fsspec knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ostinato.errors import DataError, Problem

_CHUNK_BYTES = 1 << 22


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    """The path of a local URI."""
    return uri.removeprefix("file://")


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it.

    `minio://bucket/key`, as Kubeflow writes it, is S3 at the endpoint of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or
    AWS_S3_ENDPOINT.

    Raises:
        DataError: the protocol is unknown, or its package is not installed.
    """
    import fsspec

    options: dict[str, Any] = {}
    if uri.startswith("minio://"):
        uri = "s3://" + uri.removeprefix("minio://")
    if uri.startswith("s3://"):
        endpoint = next(
            (
                os.environ[name]
                for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT")
                if os.environ.get(name)
            ),
            None,
        )
        if endpoint:
            options["endpoint_url"] = endpoint if "://" in endpoint else f"http://{endpoint}"
    try:
        system, path = fsspec.core.url_to_fs(uri, **options)
    except (ValueError, ImportError) as error:
        raise DataError(Problem(uri, f"this kind of URI can't be opened: {error}")) from error
    return system, path


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what storage raises into a DataError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(Problem(uri, "there is no such file, folder or bucket")) from error
    except PermissionError as error:
        hint = "check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and the bucket's policy"
        raise DataError(Problem(uri, f"permission denied: {error}", hint="" if is_local(uri) else hint)) from error
    except IsADirectoryError as error:
        raise DataError(Problem(uri, "is a folder, expected a file")) from error
    except (OSError, _client_errors()) as error:
        if is_local(uri):
            raise
        raise DataError(
            Problem(uri, f"can't be reached: {error}", hint="check the endpoint and the network")
        ) from error


def _client_errors() -> type[Exception]:
    """What S3 clients raise that is no OSError; an empty class where no such client was ever imported."""
    import sys

    botocore = sys.modules.get("botocore.exceptions")
    if botocore is not None:
        errors: type[Exception] = botocore.BotoCoreError
        return errors
    return _Never


class _Never(Exception):
    """Never raised."""


def open_file(uri: str, mode: str = "rb") -> IO[bytes]:
    """An open file. Raises DataError if it does not exist or may not be read."""
    with explained(uri):
        if is_local(uri):
            opened: IO[bytes] = open(local_path(uri), mode)  # noqa: SIM115
            return opened
        system, path = filesystem(uri)
        remote: IO[bytes] = system.open(path, mode)
        return remote


def read_bytes(uri: str) -> bytes:
    """The whole file."""
    with open_file(uri) as file, explained(uri):
        return file.read()


def write_bytes_atomic(uri: str, content: bytes) -> None:
    """Writes the file whole or not at all; makes its folder."""
    if not is_local(uri):
        # An object of a bucket appears only when it is complete.
        with explained(uri):
            system, path = filesystem(uri)
            system.pipe_file(path, content)
        return
    path = Path(local_path(uri))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def expand(uri: str) -> list[str]:
    """The files that a file, pattern or folder stands for, sorted; hidden and empty-named ones are left out.

    Raises:
        DataError: there is none.
    """
    with explained(uri):
        system, path = filesystem(uri)
        if uri.startswith(("http://", "https://")):
            return [uri]
        if any(sign in path for sign in "*?[") and not system.exists(path):
            found = sorted(name for name in system.glob(path) if system.isfile(name))
        elif system.isdir(path):
            found = sorted(system.find(path))
        elif system.exists(path):
            return [uri]
        else:
            raise FileNotFoundError(path)
    visible = [name for name in found if not any(part.startswith((".", "_")) for part in _below(name, path))]
    if not visible:
        raise DataError(Problem(uri, "no file matches"))
    return [_as_uri(uri, name) for name in visible]


def _below(name: str, folder: str) -> list[str]:
    return name.removeprefix(folder).strip("/").split("/") if name.startswith(folder) else [name.rpartition("/")[2]]


def _as_uri(original: str, path: str) -> str:
    if is_local(original):
        return path
    protocol = original.partition("://")[0]
    return path if "://" in path else f"{protocol}://{path.lstrip('/') if protocol != 'memory' else path}"


def digest(uri: str) -> str:
    """A digest of the file's content: SHA-256 of its bytes, or what the store itself vouches for (ETag and size)."""
    if is_local(uri):
        hasher = hashlib.sha256()
        with open_file(uri) as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
        return hasher.hexdigest()
    with explained(uri):
        system, path = filesystem(uri)
        info = system.info(path)
        tag = info.get("ETag") or info.get("etag")
        if tag and not str(tag).startswith("W/"):
            return hashlib.sha256(f"{tag} {info.get('size')} {info.get('VersionId')}".encode()).hexdigest()
        hasher = hashlib.sha256()
        with system.open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
        return hasher.hexdigest()


def exists(uri: str) -> bool:
    """Whether there is a file or folder.

    Raises:
        DataError: that can't be found out.
    """
    with explained(uri):
        if is_local(uri):
            return Path(local_path(uri)).exists()
        system, path = filesystem(uri)
        return bool(system.exists(path))
