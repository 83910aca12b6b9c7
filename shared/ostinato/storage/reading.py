"""Reading: from the beginning, or in any order; a remote file by several ranges at once, each tried again by itself."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from ostinato.storage.address import is_http, is_local, is_s3, local_path
from ostinato.storage.failures import changed, explained
from ostinato.storage.retries import BrokenOff, retried
from ostinato.storage.systems import filesystem
from ostinato.storage.whole import written_whole

CHUNK_BYTES = 1 << 22
RANGE_BYTES = 8 << 20
"""Bytes of one request."""
_FIRST_BYTES = 1 << 20
"""Bytes of the first request of a file read from its beginning: many are small, or only their head is wanted."""
_AT_ONCE = 4
"""Requests under way for one file; so it holds about 32 MB."""
_GAP_BYTES = 1 << 20
"""Ranges that are as near as this are fetched as one: a request costs as much time as these bytes."""

Range = tuple[int, int]
"""First byte, and the one behind the last."""


class RemoteFile(io.RawIOBase):
    """A file of a store. Read on from its beginning, it is fetched some ranges ahead; else just what is asked for."""

    def __init__(self, name: str, size: int, fetch: Callable[[int, int], bytes], head: bytes = b"") -> None:
        """`fetch(start, end)` gives exactly these bytes; `head` are the first ones, where they are known."""
        self.name, self.size, self._fetch = name, size, fetch
        self._position = 0
        self._block, self._block_start = memoryview(head), 0
        self._ahead: deque[tuple[int, Future[bytes]]] = deque()
        self._parts: list[tuple[int, int, Future[bytes]]] = []
        self._pool: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer at the end only; all that follow where the size is negative."""
        end = self.size if size is None or size < 0 else min(self.size, self._position + size)
        pieces: list[bytes | memoryview] = []
        with explained(self.name):
            while self._position < end:
                piece = self._some(self._position, end)
                pieces.append(piece)
                self._position += len(piece)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, as far as there is something."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def preload(self, ranges: Iterable[Range]) -> None:
        """Begins to fetch ranges that will be read; they are kept until `forget`."""
        for start, end in _joined(ranges):
            self._parts.extend((first, last, self._later(first, last)) for first, last in _cut(start, end))
        self._parts.sort(key=lambda part: part[0])

    def forget(self, before: int) -> None:
        """Lets go of preloaded ranges that end before a position."""
        self._parts = [part for part in self._parts if part[1] > before]

    def close(self) -> None:
        """Ends what is under way."""
        if not self.closed and self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _some(self, start: int, end: int) -> bytes | memoryview:
        """At least one byte from `start`, none from `end` on."""
        place = bisect_right(self._parts, start, key=lambda part: part[0]) - 1
        if place >= 0 and start < self._parts[place][1]:
            first, _, part = self._parts[place]
            return memoryview(part.result())[start - first : end - first]
        block_end = self._block_start + len(self._block)
        if start == block_end:
            self._advance(start)
        if self._block_start <= start < self._block_start + len(self._block):
            return self._block[start - self._block_start : end - self._block_start]
        if end - start <= RANGE_BYTES:
            return self._fetch(start, end)
        return b"".join([part.result() for part in [self._later(*one) for one in _cut(start, end)]])

    def _advance(self, start: int) -> None:
        """The next block of a file that is read from its beginning."""
        self._block_start = start
        if start == 0:
            self._block = memoryview(self._fetch(0, min(self.size, _FIRST_BYTES)))
            return
        wanted = self._ahead[-1][0] + RANGE_BYTES if self._ahead else start
        while wanted < self.size and len(self._ahead) < _AT_ONCE:
            self._ahead.append((wanted, self._later(wanted, min(self.size, wanted + RANGE_BYTES))))
            wanted += RANGE_BYTES
        self._block = memoryview(self._ahead.popleft()[1].result())

    def _later(self, start: int, end: int) -> Future[bytes]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, "range")
        return self._pool.submit(self._fetch, start, end)


def _cut(start: int, end: int) -> list[Range]:
    return [(first, min(end, first + RANGE_BYTES)) for first in range(start, end, RANGE_BYTES)]


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes and some between, in fewer ranges."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start - joined[-1][1] <= _GAP_BYTES:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def open_file(uri: str, mode: str = "rb", *, version: str = "") -> IO[bytes]:
    """An open file, to be read from its beginning; what is on the web can't be read in another order.

    Args:
        uri: of the file.
        mode: of a local file; all others are read only, see `upload`.
        version: ETag of an object of S3; another one is an error.

    Raises:
        DataError: it does not exist, may not be read, or is another version.
    """
    with explained(uri):
        if is_local(uri):
            opened: IO[bytes] = open(local_path(uri), mode)  # noqa: SIM115
            return opened
        assert mode == "rb", "what is elsewhere is written by `upload`, whole or not at all"
        if is_http(uri):
            system, path = filesystem(uri)
            # Not every web server answers ranges: block_size 0 reads from the beginning to the end.
            stream: IO[bytes] = retried(lambda: system.open(path, "rb", block_size=0))
            return stream
        if is_s3(uri):
            head, size, version = _beginning(uri, version)
            return _as_file(RemoteFile(uri, size, _fetcher(uri, version), head))
        return _open_remote(uri, "")


def open_seekable(uri: str, *, version: str = "") -> IO[bytes]:
    """An open file that can be read in any order; what is on the web is copied to a temporary file first.

    Raises:
        DataError: as `open_file`.
    """
    if is_local(uri):
        return open_file(uri)
    if not is_http(uri):
        with explained(uri):
            return _open_remote(uri, version)
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    with explained(uri):
        retried(lambda: _copy_stream(uri, copy))
    copy.seek(0)
    return copy


def read_bytes(uri: str) -> bytes:
    """The whole file."""
    if is_http(uri):
        with open_seekable(uri) as copy:
            return copy.read()
    with open_file(uri) as file, explained(uri):
        return file.read()


def read_range(uri: str, start: int, end: int) -> bytes:
    """The bytes from `start` on up to the one before `end`; fewer where a file of S3 or of this machine ends before."""
    if is_local(uri):
        with open_file(uri) as file:
            file.seek(start)
            return file.read(end - start)
    with explained(uri):
        if is_s3(uri):
            return get_object(uri, "", (start, end))[0]
        return _fetcher(uri, "")(start, end)


def download(uri: str, path: str) -> None:
    """Copies a file to a path of this machine, whole or not at all; makes its folder.

    What breaks off is asked for again by range. The size is verified, and that the file did not change meanwhile.

    Raises:
        DataError: it does not exist, may not be read, or changes.
        OSError: the copy can't be written.
    """
    target = Path(local_path(path))
    if is_local(uri):
        with open_file(uri) as source, written_whole(target) as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
        return
    with written_whole(target) as copy:
        if is_http(uri):
            with explained(uri):
                retried(lambda: _copy_stream(uri, copy))
            return
        with open_seekable(uri) as remote:
            assert isinstance(remote, RemoteFile)
            for _ in range(0, remote.size, RANGE_BYTES):
                copy.write(remote.read(RANGE_BYTES))
            if copy.tell() != remote.size:
                raise changed(uri)


def _open_remote(uri: str, version: str) -> IO[bytes]:
    system, path = filesystem(uri)
    info = retried(lambda: system.info(path))
    if info["type"] == "directory":
        raise IsADirectoryError(uri)
    found = str(info.get("ETag") or "")
    if version and is_s3(uri) and found != version:
        raise changed(uri)
    return _as_file(RemoteFile(uri, info["size"], _fetcher(uri, found)))


def _as_file(remote: RemoteFile) -> IO[bytes]:
    return remote  # type: ignore[return-value]  # io.RawIOBase is what IO[bytes] means here


def _copy_stream(uri: str, copy: IO[bytes]) -> None:
    """The whole of a web address, from its beginning."""
    copy.seek(0)
    copy.truncate()
    with open_file(uri) as stream:
        shutil.copyfileobj(stream, copy, CHUNK_BYTES)


def _fetcher(uri: str, version: str) -> Callable[[int, int], bytes]:
    """Reads ranges of a file; of S3, of this version only."""

    def fetch(start: int, end: int) -> bytes:
        if is_s3(uri):
            data, _ = get_object(uri, version, (start, end))
        else:
            system, path = filesystem(uri)
            data = retried(lambda: system.cat_file(path, start=start, end=end))
        if len(data) != end - start:
            raise changed(uri)
        return data

    return fetch


def _beginning(uri: str, version: str) -> tuple[bytes, int, str]:
    """The first bytes of an object, its size and ETag, by one request."""
    try:
        data, headers = get_object(uri, version, (0, _FIRST_BYTES))
    except OSError as error:
        if _code_of(error) != "InvalidRange":  # of an object without a byte
            raise
        data, headers = get_object(uri, version, None)
    total = str(headers.get("ContentRange") or len(data)).rpartition("/")[2]
    return data, int(total), str(headers.get("ETag") or "")


def _code_of(error: BaseException) -> str:
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def get_object(uri: str, version: str, wanted: Range | None) -> tuple[bytes, dict[str, Any]]:
    """A range of an object (cut at its end), and what the store says of it; tried again where the body breaks off.

    Raises:
        OSError: as s3fs translates what the store says.
        DataError: it is another version.
    """
    options = {"IfMatch": version} if version else {}
    if wanted is not None:
        options["Range"] = f"bytes={wanted[0]}-{wanted[1] - 1}"

    def get() -> tuple[bytes, dict[str, Any]]:
        system, path = filesystem(uri)
        bucket, key, _ = system.split_path(path)
        response: dict[str, Any] = system.call_s3("get_object", Bucket=bucket, Key=key, **options)
        data = _body(system, response)
        # A store that does not know If-Match sends what it has.
        if version and response.get("ETag") != version:
            raise changed(uri)
        return data, response

    return retried(get)


def _body(system: Any, response: dict[str, Any]) -> bytes:
    from fsspec.asyn import sync

    async def read() -> bytes:
        async with response["Body"] as stream:
            data: bytes = await stream.read()
            return data

    aiohttp, botocore = sys.modules["aiohttp"], sys.modules["botocore.exceptions"]
    try:
        data: bytes = sync(system.loop, read)
    except (OSError, aiohttp.ClientError, botocore.BotoCoreError) as error:
        raise BrokenOff(f"the body broke off: {type(error).__name__}") from error
    if len(data) != response["ContentLength"]:
        raise BrokenOff(f"{len(data)} of {response['ContentLength']} bytes came")
    return data
