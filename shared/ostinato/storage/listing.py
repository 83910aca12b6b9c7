"""What is there: files below folders and patterns, their sizes, and what tells one content from another."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ostinato.errors import DataError, Problem
from ostinato.storage.address import is_http, is_local, is_s3, local_path
from ostinato.storage.failures import changed, explained
from ostinato.storage.reading import CHUNK_BYTES, open_file
from ostinato.storage.retries import retried
from ostinato.storage.systems import filesystem


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when it was listed."""

    uri: str
    size: int | None = None
    """Bytes; None where nobody says."""
    version: str = ""
    """Another one means another content: ETag, or time of the last change; empty where nobody says."""


def find(uri: str) -> list[StoredFile]:
    """The files that a file, pattern or folder stands for, sorted.

    Below a folder or pattern, names that begin with "." or "_" are left out.

    Raises:
        DataError: there is none.
    """
    if is_http(uri):
        return [StoredFile(uri)]
    with explained(uri):
        pattern = uri if is_s3(uri) else local_path(uri) if is_local(uri) else uri
        has_signs = any(sign in pattern for sign in "*?[")
        alone = None if uri.endswith("/") else _alone(uri)
        if alone is not None:
            return [alone]
        if has_signs:
            folder = pattern[: min(pattern.find(sign) for sign in "*?[" if sign in pattern)].rpartition("/")[0]
            found = _matching(pattern, folder)
        else:
            folder = pattern.rstrip("/")
            found = list(_below(folder))
            if not found and not exists(uri):
                raise FileNotFoundError(uri)
    visible = [file for file in found if not _is_hidden(file.uri, folder)]
    if not visible:
        raise DataError(Problem(uri, "no file matches" if has_signs else "the folder holds no file"))
    return sorted(visible, key=lambda file: file.uri)


def expand(uri: str) -> list[str]:
    """The URIs of `find`."""
    return [file.uri for file in find(uri)]


def list_files(uri: str) -> list[str]:
    """Full URIs of the files directly below a folder, sorted; empty where there is no such folder."""
    with explained(uri):
        return sorted(file.uri for file in _below(uri.rstrip("/"), deep=False))


def exists(uri: str) -> bool:
    """Whether there is such a file or folder."""
    if is_local(uri):
        return os.path.exists(local_path(uri))
    with explained(uri):
        try:
            return _info(uri) is not None
        except FileNotFoundError as error:
            if error.filename is not None:  # of this machine: a file that holds the credentials
                raise
            return False


def size(uri: str) -> int:
    """Bytes of a file.

    Raises:
        DataError: it does not exist, or nobody says.
    """
    with explained(uri):
        file = _alone(uri)
        if file is None:
            raise FileNotFoundError(uri)
    if file.size is None:
        raise DataError(Problem(uri, "the server does not say how large it is"))
    return file.size


def check_unchanged(file: StoredFile) -> None:
    """Raises DataError where the file is not the one that was listed."""
    if not file.version:
        return
    with explained(file.uri):
        now = _alone(file.uri)
    if now is None:
        raise DataError(Problem(file.uri, "was there when the data were listed, and is gone"))
    if (now.size, now.version) != (file.size, file.version):
        raise changed(file.uri)


def digest(uri: str) -> str:
    """A digest of the file's content: SHA-256 of its bytes, or of what the store vouches for (strong ETag and size).

    Raises:
        DataError: it does not exist or may not be read.
    """
    with explained(uri):
        file = StoredFile(uri, *_web_version(uri)) if is_http(uri) else _alone(uri)
        if file is None:
            raise FileNotFoundError(uri)
    return digest_of(file)


def digest_of(file: StoredFile) -> str:
    """The digest of a file that is as it was when it was listed."""
    if is_local(file.uri):
        return _local_digest(file)
    if file.version and not file.version.startswith(("W/", "at ")):
        return hashlib.sha256(f"{file.version} {file.size}".encode()).hexdigest()
    return _content_digest(file.uri)


@functools.lru_cache(maxsize=1024)
def _local_digest(file: StoredFile) -> str:
    """Size and time tell a file that has changed from the one whose digest is known."""
    found = _content_digest(file.uri)
    check_unchanged(file)
    return found


def _content_digest(uri: str) -> str:
    hasher = hashlib.sha256()
    with open_file(uri) as file, explained(uri):
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def _alone(uri: str) -> StoredFile | None:
    """What is known of one file; None where there is none, or a folder."""
    if is_local(uri):
        path = local_path(uri)
        try:
            return _local(path, os.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
    info = _info(uri)
    return None if info is None or info["type"] == "directory" else _remote(uri, info)


def _info(uri: str) -> Any:
    """What a store says of a file or folder; None where there is none.

    Raises:
        FileNotFoundError: there is not even a bucket, or no file with credentials.
    """
    system, path = filesystem(uri)
    try:
        return retried(lambda: system.info(path))
    except FileNotFoundError as error:
        if error.__cause__ is not None or error.filename is not None:
            raise
        return None


def _local(path: str, status: os.stat_result) -> StoredFile | None:
    if stat.S_ISDIR(status.st_mode):
        return None
    # A pipe changes by being read.
    version = f"at {status.st_mtime_ns}" if stat.S_ISREG(status.st_mode) else ""
    return StoredFile(path, status.st_size, version)


def _remote(uri: str, info: Any) -> StoredFile:
    tag = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or "")
    moment = info.get("LastModified") or info.get("updated") or ""
    return StoredFile(uri, info.get("size"), tag or (f"at {moment}" if moment else ""))


def _web_version(uri: str) -> tuple[int | None, str]:
    system, path = filesystem(uri)
    info = retried(lambda: system.info(path))
    return info.get("size"), str(info.get("ETag") or "")


def _below(folder: str, *, deep: bool = True) -> Iterator[StoredFile]:
    """Files below a folder, in any order; none where it does not exist."""
    if is_local(folder):
        yield from _below_local(local_path(folder), deep)
        return
    system, path = filesystem(folder)
    scheme = folder.partition("://")[0]
    if is_s3(folder):
        for item in _pages(system, path, deep):
            yield StoredFile(f"{scheme}://{path.partition('/')[0]}/{item['Key']}", item["Size"], item["ETag"])
        return
    found = retried(lambda: system.find(path, maxdepth=None if deep else 1, detail=True))
    for name, info in found.items():
        yield _remote(name if "://" in name else f"{scheme}://{name.lstrip('/')}", info)


def _below_local(folder: str, deep: bool) -> Iterator[StoredFile]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir():
                if deep:
                    yield from _below_local(entry.path, deep)
            elif (file := _local(entry.path, entry.stat())) is not None:
                yield file


def _pages(system: Any, path: str, deep: bool) -> Iterator[Any]:
    """Objects below a folder of a bucket, page after page: a listing of all at once is large."""
    bucket, _, key = path.partition("/")
    options = {"Bucket": bucket, "Prefix": f"{key}/" if key else ""} | ({} if deep else {"Delimiter": "/"})
    while True:
        page = system.call_s3("list_objects_v2", **options)
        # An object whose name ends in a slash is a folder that a web console made.
        yield from (item for item in page.get("Contents", ()) if not item["Key"].endswith("/"))
        if not page.get("IsTruncated"):
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


def _matching(pattern: str, folder: str) -> list[StoredFile]:
    """Files that match a pattern, all of which lie below the folder."""
    if is_local(pattern):
        paths = glob.iglob(pattern, recursive=True)
        return [file for path in paths if (file := _local(path, os.stat(path))) is not None]
    from fsspec.utils import glob_translate

    scheme, _, path = pattern.partition("://")
    matches: Callable[[str], Any] = re.compile(glob_translate(path)).match
    files: Iterable[StoredFile] = _below(folder, deep="/" in pattern[len(folder) + 1 :])
    return [file for file in files if matches(file.uri.removeprefix(f"{scheme}://"))]


def _is_hidden(name: str, folder: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.removeprefix(folder).strip("/").split("/"))
