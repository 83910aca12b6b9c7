"""Files by URI: local paths, s3://, minio:// as KFP writes it, http(s)://, and whatever else fsspec knows.

What a user can mend (no such file, no permission, no network) is a DataError; trouble with local writing stays an
OSError.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ostinato.errors import DataError, Problem, did_you_mean

_CHUNK_BYTES = 1 << 22
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT")
_S3_HINT = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL; FSSPEC_S3_ANON=true reads a public bucket"
)


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    """The path of a local URI."""
    return os.path.expanduser(uri.removeprefix("file://"))


def is_http(uri: str) -> bool:
    """Whether the URI is a web address."""
    return uri.startswith(("http://", "https://"))


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it.

    `minio://bucket/key`, as Kubeflow writes it, is S3 at the endpoint of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or
    AWS_S3_ENDPOINT.

    Raises:
        DataError: the protocol is unknown, its package is not installed, or the endpoint of minio:// is not set.
    """
    import fsspec

    options: dict[str, Any] = {}
    translated = uri
    if uri.startswith(("minio://", "s3://", "s3a://")):
        translated = "s3://" + uri.partition("://")[2]
        endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
        if endpoint:
            options["endpoint_url"] = endpoint if "://" in endpoint else f"http://{endpoint}"
        elif uri.startswith("minio://"):
            hint = "set AWS_ENDPOINT_URL_S3, e.g. http://minio-service.kubeflow:9000"
            raise DataError(Problem(uri, "minio:// needs to know where the server is", hint=hint))
    try:
        system, path = fsspec.core.url_to_fs(translated, **options)
    except (ValueError, ImportError) as error:
        allowed = "a local path, s3://, minio://, http(s)://, gs:// and other protocols of fsspec"
        raise DataError(Problem(uri, f"this kind of URI can't be opened: {error}", allowed)) from error
    if not is_local(uri):
        system.invalidate_cache()  # listings of a moment ago would hide new and changed objects
    return system, path


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what storage raises into a DataError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        if is_http(uri):
            raise _web_problem(uri, error) from error
        what = "file, folder or bucket" if not is_local(uri) else "file or folder"
        raise DataError(Problem(uri, f"there is no such {what}", hint=_nearby(uri))) from error
    except PermissionError as error:
        reason = f"permission denied: {error.strerror or error}"
        raise DataError(Problem(uri, reason, hint=_permission_hint(uri))) from error
    except IsADirectoryError as error:
        raise DataError(Problem(uri, "is a folder, expected a file")) from error
    except _failures() as error:
        if is_local(uri):
            raise
        if is_http(uri):
            raise _web_problem(uri, error) from error
        raise DataError(Problem(uri, f"can't be read: {error or type(error).__name__}", hint=_S3_HINT)) from error


def _web_problem(uri: str, error: BaseException) -> DataError:
    """What a web server, or the lack of one, said; fsspec hides it behind a FileNotFoundError."""
    while error.__cause__ is not None and getattr(error, "status", None) is None:
        error = error.__cause__
    match getattr(error, "status", None):
        case None if not isinstance(error, FileNotFoundError):
            return DataError(Problem(uri, f"can't be reached: {error}", hint="check the address and the network"))
        case 401 | 403 as status:
            return DataError(Problem(uri, f"permission denied: the server answers {status}"))
        case None | 404 | 410:
            return DataError(Problem(uri, "there is no such file"))
        case status:
            return DataError(Problem(uri, f"can't be read: the server answers {status}"))


def _permission_hint(uri: str) -> str:
    if is_local(uri):
        return "check owner and mode of the file and of its folders (`ls -l`)"
    return f"{_S3_HINT}; check the bucket's policy"


def _nearby(uri: str) -> str:
    """What lies beside a local file that does not exist."""
    if not is_local(uri):
        return ""
    path = Path(local_path(uri)).absolute()
    folder = next((parent for parent in path.parents if parent.is_dir()), None)
    if folder != path.parent:
        return f"the nearest folder that exists is {folder}" if folder else ""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except PermissionError:
        return ""
    return did_you_mean(path.name, names)


def _failures() -> tuple[type[Exception], ...]:
    """OSError, and what else S3 and HTTP clients raise, of the clients that were ever imported."""
    botocore, aiohttp = sys.modules.get("botocore.exceptions"), sys.modules.get("aiohttp")
    found: list[type[Exception]] = [OSError]
    if botocore is not None:
        found += [botocore.BotoCoreError, botocore.ClientError]
    if aiohttp is not None:
        found += [aiohttp.ClientError]
    return tuple(found)


def open_file(uri: str, mode: str = "rb") -> IO[bytes]:
    """An open file; a remote one need not be seekable.

    Raises:
        DataError: it does not exist or may not be read.
    """
    with explained(uri):
        if is_local(uri):
            opened: IO[bytes] = open(local_path(uri), mode)  # noqa: SIM115
            return opened
        system, path = filesystem(uri)
        # Not every web server answers ranges: block_size 0 reads from the beginning to the end.
        remote: IO[bytes] = system.open(path, mode, **({"block_size": 0} if is_http(uri) else {}))
        return remote


def open_seekable(uri: str) -> IO[bytes]:
    """An open file that can be read in any order; what is on the web is copied to a temporary file first."""
    if not is_http(uri):
        return open_file(uri)
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    with open_file(uri) as file, explained(uri):
        while chunk := file.read(_CHUNK_BYTES):
            copy.write(chunk)
    copy.seek(0)
    return copy


def exists(uri: str) -> bool:
    """Whether there is such a file or folder."""
    if is_local(uri):
        return os.path.exists(local_path(uri))
    with explained(uri):
        system, path = filesystem(uri)
        return bool(system.exists(path))


def read_bytes(uri: str) -> bytes:
    """The whole file."""
    with open_file(uri) as file, explained(uri):
        return file.read()


def write_bytes_atomic(uri: str, content: bytes) -> None:
    """Writes the file whole or not at all; makes its folder."""
    if not is_local(uri):
        # An object of a bucket appears only when it is complete.
        with explained(uri):
            system, key = filesystem(uri)
            system.pipe_file(key, content)
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
    """The files that a file, pattern or folder stands for, sorted.

    Below a folder or pattern, names that begin with "." or "_" are left out.

    Raises:
        DataError: there is none.
    """
    if is_http(uri):
        return [uri]
    with explained(uri):
        system, path = filesystem(uri)
        if any(sign in path for sign in "*?[") and not system.exists(path):
            found = sorted(name for name in system.glob(path) if system.isfile(name))
            folder = path[: min(path.find(sign) for sign in "*?[" if sign in path)].rpartition("/")[0]
        elif system.isdir(path):
            found, folder = sorted(system.find(path)), path
        elif system.exists(path):
            return [uri]
        else:
            raise FileNotFoundError(path)
    visible = [name for name in found if not _is_hidden(name, folder)]
    if not visible:
        raise DataError(Problem(uri, "no file matches" if folder != path else "the folder holds no file"))
    return [_as_uri(uri, name) for name in visible]


def _is_hidden(name: str, folder: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.removeprefix(folder).strip("/").split("/"))


def _as_uri(original: str, path: str) -> str:
    if is_local(original) or "://" in path:
        return path
    protocol = original.partition("://")[0]
    return f"{protocol}://{path if protocol == 'memory' else path.lstrip('/')}"


def digest(uri: str) -> str:
    """A digest of the file's content: SHA-256 of its bytes, or of what the store vouches for (strong ETag and size)."""
    if is_local(uri):
        with explained(uri):
            path = local_path(uri)
            stat = os.stat(path)
        return _local_digest(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    with explained(uri):
        system, path = filesystem(uri)
        info = system.info(path)
    tag = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or "")
    if tag and not tag.startswith("W/"):
        return hashlib.sha256(f"{tag} {info.get('size')}".encode()).hexdigest()
    return _content_digest(uri)


@functools.lru_cache(maxsize=1024)
def _local_digest(path: str, size: int, mtime_ns: int, inode: int) -> str:
    """The other parameters tell a file that has changed from the one whose digest is known."""
    return _content_digest(path)


def _content_digest(uri: str) -> str:
    hasher = hashlib.sha256()
    with open_file(uri) as file, explained(uri):
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()
