"""Writing: a file is whole or not there. An object of a bucket appears only when it is complete."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ostinato.errors import DataError, Problem
from ostinato.storage.address import is_http, is_local, is_s3, local_path
from ostinato.storage.failures import changed, explained
from ostinato.storage.reading import CHUNK_BYTES
from ostinato.storage.retries import BrokenOff, causes, retried
from ostinato.storage.systems import filesystem
from ostinato.storage.whole import alone, written_whole

PART_BYTES = 16 << 20
"""Bytes of a part of a large object."""
_MOST_PARTS = 10_000
_AT_ONCE = 4
_MOST_DELETED = 1000

Read = Callable[[int, int], bytes]
"""(first byte, the one behind the last) -> the bytes."""


def write_bytes_atomic(uri: str, content: bytes) -> None:
    """Writes the file whole or not at all; makes its folder. A local one is on the disk when this returns."""
    if is_local(uri):
        with written_whole(Path(local_path(uri))) as file:
            file.write(content)
        return
    with explained(uri):
        if is_s3(uri):
            _put(uri, len(content), lambda start, end: content[start:end])
        else:
            system, path = filesystem(uri)
            retried(lambda: system.pipe_file(path, content))


def swap_bytes(uri: str, old: bytes | None, new: bytes) -> bool:
    """Writes a small file if its content is still the old one, None for no file; says whether it was.

    Of several who try at the same time one succeeds: locally by a lock, on S3 by a conditional write. Other stores have
    neither: there it is looked at just before.

    Raises:
        DataError: the store can't be reached or refuses.
    """
    if is_local(uri):
        path = Path(local_path(uri))
        with alone(path):
            if (path.read_bytes() if path.exists() else None) != old:
                return False
            with written_whole(path) as file:
                file.write(new)
            return True
    with explained(uri):
        return _swap_object(uri, old, new) if is_s3(uri) else _swap_elsewhere(uri, old, new)


def _swap_object(uri: str, old: bytes | None, new: bytes) -> bool:
    system, path = filesystem(uri)
    place = dict(zip(("Bucket", "Key"), path.split("/", 1), strict=True))
    condition = {"IfNoneMatch": "*"}
    if old is not None:
        etag = system.info(path)["ETag"]
        if retried(lambda: system.cat_file(path)) != old:
            return False
        condition = {"IfMatch": etag}
    elif system.exists(path):
        return False
    try:
        system.call_s3("put_object", **place, Body=new, ContentMD5=_md5(new), **condition)
    except OSError as error:
        codes = {getattr(one, "response", {}).get("Error", {}).get("Code") for one in causes(error)}
        if not codes & {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}:
            raise
        # Where the answer to a first attempt got lost, it is ours that is there.
        return bool(retried(lambda: system.cat_file(path)) == new)
    return True


def _swap_elsewhere(uri: str, old: bytes | None, new: bytes) -> bool:
    system, path = filesystem(uri)
    if (system.cat_file(path) if system.exists(path) else None) != old:
        return False
    retried(lambda: system.pipe_file(path, new))
    return True


def upload(path: str, uri: str) -> None:
    """Copies a file of this machine to a URI, whole or not at all.

    Large ones go to S3 in parts, some at once, never whole in memory. The store verifies the MD5 of each part; the
    size of the whole is verified afterwards.

    Raises:
        DataError: the store can't be reached or refuses.
        OSError: the file can't be read, or a local copy not written.
    """
    source = local_path(path)
    if is_local(uri):
        with open(source, "rb") as file, written_whole(Path(local_path(uri))) as copy:
            shutil.copyfileobj(file, copy, CHUNK_BYTES)
        return
    if is_http(uri):
        raise DataError(Problem(uri, "the web can't be written to", "a local path, s3://, minio://"))
    size = os.path.getsize(source)
    with open(source, "rb") as file, explained(uri):
        if is_s3(uri):
            _put(uri, size, lambda start, end: _part_of(file, source, start, end))
            return
        system, key = filesystem(uri)
        retried(lambda: system.put_file(source, key))


def _part_of(file: IO[bytes], path: str, start: int, end: int) -> bytes:
    content = os.pread(file.fileno(), end - start, start)
    if len(content) != end - start:
        raise changed(path)
    return content


def remove(uri: str) -> None:
    """Removes a file, or a folder with all that is below it; what is missing is fine.

    Raises:
        DataError: something may not be removed.
    """
    if is_local(uri):
        path = Path(local_path(uri))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        return
    with explained(uri):
        system, path_in_store = filesystem(uri)
        if is_s3(uri):
            _remove_objects(uri, system, path_in_store)
        elif retried(lambda: system.exists(path_in_store)):
            retried(lambda: system.rm(path_in_store, recursive=True))


def _remove_objects(uri: str, system: Any, path: str) -> None:
    bucket, _, key = path.partition("/")
    if not key:
        raise DataError(Problem(uri, "is a whole bucket; nothing was removed", "a file or folder in it"))
    if system.isfile(path):  # not every store takes it well to be asked for what is not there
        system.call_s3("delete_object", Bucket=bucket, Key=key)
    while True:  # what is listed is gone at the next turn
        page = system.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{key}/", MaxKeys=_MOST_DELETED)
        if not page.get("Contents"):
            return
        objects = [{"Key": item["Key"]} for item in page["Contents"]]
        done = system.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := done.get("Errors"):
            raise DataError(Problem(f"s3://{bucket}/{errors[0]['Key']}", f"was not removed: {errors[0]['Code']}"))


def _put(uri: str, size: int, read: Read) -> None:
    """Makes an object; a part that gets lost is sent again, and the whole where the store forgot what it had."""

    def put() -> None:
        system, path = filesystem(uri)
        bucket, _, key = path.partition("/")
        if size <= PART_BYTES:
            content = read(0, size)
            system.call_s3("put_object", Bucket=bucket, Key=key, Body=content, ContentMD5=_md5(content))
        else:
            _put_parts(system, bucket, key, size, read)
        stored = system.info(path)["size"]
        if stored != size:
            raise BrokenOff(f"{stored} of {size} bytes arrived")

    retried(put)


def _put_parts(system: Any, bucket: str, key: str, size: int, read: Read) -> None:
    from concurrent.futures import ThreadPoolExecutor

    part_bytes = max(PART_BYTES, -(-size // _MOST_PARTS))
    upload_id = system.call_s3("create_multipart_upload", Bucket=bucket, Key=key)["UploadId"]
    place = {"Bucket": bucket, "Key": key, "UploadId": upload_id}

    def put(start: int) -> dict[str, Any]:
        content = read(start, min(size, start + part_bytes))
        number = start // part_bytes + 1
        sent = system.call_s3("upload_part", **place, PartNumber=number, Body=content, ContentMD5=_md5(content))
        return {"PartNumber": number, "ETag": sent["ETag"]}

    is_whole = False
    pool = ThreadPoolExecutor(_AT_ONCE, "upload")
    try:
        parts = list(pool.map(put, range(0, size, part_bytes)))
        system.call_s3("complete_multipart_upload", **place, MultipartUpload={"Parts": parts})
        is_whole = True
    except FileNotFoundError as error:
        if "NoSuchUpload" in [getattr(one, "response", {}).get("Error", {}).get("Code") for one in causes(error)]:
            # It may be complete: the answer to an earlier request got lost.
            raise BrokenOff("the store does not know the upload (any more)") from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        if not is_whole:
            _abort(system, place)


def _abort(system: Any, place: dict[str, Any]) -> None:
    """Parts that are left cost money and are seen by nobody; the first error is the one to tell."""
    try:
        system.call_s3("abort_multipart_upload", **place)
    except OSError:
        return


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
