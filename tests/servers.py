"""Real servers for tests: S3 by moto, and by rclone, which refuses wrong keys; the web by Python's own; a bad line."""

import collections
import contextlib
import functools
import http.client
import http.server
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

BUCKET = "warehouse"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def s3_server(host: str = "127.0.0.1") -> contextlib.AbstractContextManager[str]:
    """The endpoint of an S3 server in a process of its own. It knows all of S3 and STS, and takes any keys.

    `host` is an address of this machine.
    """
    port = free_port()
    return _process([sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)], port, "/moto-api/", host)


def s3_server_with_keys(folder: Path, key: str, secret: str) -> contextlib.AbstractContextManager[str]:
    """The endpoint of an S3 server that takes these keys only; its buckets are the folders in a folder."""
    port = free_port()
    rclone = Path(sys.executable).with_name("rclone")
    address = f"127.0.0.1:{port}"
    return _process([str(rclone), "serve", "s3", "--auth-key", f"{key},{secret}", "--addr", address, str(folder)], port)


def mlflow_server(folder: Path) -> contextlib.AbstractContextManager[str]:
    """The address of a server of MLflow with a database; what it keeps lies in the folder."""
    port = free_port()
    store, artifacts = f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", artifacts]
    return _process(command, port, "/health", environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


@contextlib.contextmanager
def _process(
    command: list[str],
    port: int,
    path: str = "/",
    host: str = "127.0.0.1",
    environment: dict[str, str] | None = None,
) -> Iterator[str]:
    endpoint = f"http://{host}:{port}"
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | ENVIRONMENT | (environment or {}),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}{path}", timeout=5).close()
                break
            except urllib.error.HTTPError as error:
                error.close()
                break
            except OSError:
                assert time.monotonic() < deadline, f"{command[0]} did not start"
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.1)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


class Chaos:
    """Between clients and a server: some answers are late, cut, or never come. The same seed, the same mischief."""

    KINDS = ("unsent", "unanswered", "late", "cut", "reset", "busy")

    def __init__(self, server: str, seed: int, share: float, kinds: Sequence[str]) -> None:
        self.server = urllib.parse.urlsplit(server).netloc
        self.share, self.kinds = share, kinds
        self.done: collections.Counter[str] = collections.Counter()
        """How often what was done."""
        self.requests: list[tuple[str, str, int]] = []
        """Method, range and bytes of the body of each request, in the order in which they came."""
        self.at_once = 0
        """Most requests that were under way at the same time."""
        self._under_way = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def request(self, method: str, wanted: str, size: int) -> Iterator[str]:
        """What befalls a request that is under way; empty for nothing."""
        with self._lock:
            kind = self._random.choice(self.kinds) if self._random.random() < self.share else ""
            self.done.update([kind] if kind else [])
            self.requests.append((method, wanted, size))
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            yield kind
        finally:
            with self._lock:
                self._under_way -= 1


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on, as the chaos allows."""

    protocol_version = "HTTP/1.1"
    chaos: Chaos

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.chaos.request(self.command, self.headers.get("Range") or "", len(body)) as kind:
            self._hand_on(body, kind)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _hand_on(self, body: bytes, kind: str) -> None:
        if kind == "unsent":
            self.close_connection = True
            return
        if kind == "busy":
            self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
            return
        server = http.client.HTTPConnection(self.chaos.server, timeout=60)
        with contextlib.closing(server):
            server.request(self.command, self.path, body, dict(self.headers))
            response = server.getresponse()
            content = response.read()
        if kind == "unanswered":
            self.close_connection = True
            return
        if kind == "late":
            time.sleep(1.0)
        headers = {name: value for name, value in response.getheaders() if name.lower() not in _OF_A_CONNECTION}
        if self.command == "HEAD":
            headers["Content-Length"] = response.headers.get("Content-Length", "0")
        self._answer(response.status, headers, content, kind)

    def _answer(self, status: int, headers: dict[str, str], content: bytes, kind: str = "") -> None:
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        is_broken = kind in ("cut", "reset")
        self.wfile.write(content[: len(content) // 2] if is_broken else content)
        if is_broken:
            self.wfile.flush()
            self.close_connection = True
            if kind == "reset":  # the operating system says so instead of good-bye
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


_OF_A_CONNECTION = ("connection", "transfer-encoding", "content-length", "keep-alive")


@contextlib.contextmanager
def chaotic(
    server: str, seed: int = 0, share: float = 0.05, kinds: Sequence[str] = Chaos.KINDS
) -> Iterator[tuple[str, Chaos]]:
    """An endpoint that leads to the server by a bad line, and what happened on it."""
    chaos = Chaos(server, seed, share, kinds)
    with _serving(type("_ChaoticProxy", (_Proxy,), {"chaos": chaos})) as endpoint:
        yield endpoint, chaos


class _Refusal(http.server.BaseHTTPRequestHandler):
    """Answers 403 to everything, as S3 does where it does not like the request."""

    body: bytes

    def do_GET(self) -> None:
        body = self.body
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; `/secret…` is forbidden."""

    def do_GET(self) -> None:
        if self.path.startswith("/secret"):
            self.send_error(403)
        else:
            super().do_GET()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def web_server(folder: Path) -> contextlib.AbstractContextManager[str]:
    """The address of a folder, served without ranges and ETags."""
    return _serving(functools.partial(_Handler, directory=str(folder)))


def refusing_server(
    code: str, body: str = "<Error><Code>{}</Code><Message>no</Message></Error>"
) -> contextlib.AbstractContextManager[str]:
    """The endpoint of a server, of S3 if not told otherwise, that refuses everything for the same reason."""
    return _serving(type("_Refusing", (_Refusal,), {"body": body.format(code).encode()}))


class _Answers(http.server.BaseHTTPRequestHandler):
    """Answers by path, as JSON; 404 for the rest."""

    answers: dict[str, Any]

    def do_GET(self) -> None:
        found = self.answers.get(urllib.parse.urlsplit(self.path).path, (404, {}))
        self.answer(*(found(self.headers) if callable(found) else found))

    def answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def answering_server(answers: dict[str, Any]) -> contextlib.AbstractContextManager[str]:
    """The address of a server that answers each path as told: status and content, or what gives these for headers."""
    return _serving(type("_Answering", (_Answers,), {"answers": answers}))


class _Registry(_Answers):
    """A registry of images that gives anybody a token for what is public, and wants to see it."""

    images: set[str]
    """`repository:reference` of what is there; what begins with `private/` is for others."""

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        here = f"http://{self.headers['Host']}"
        if address.path == "/token":
            query = dict(urllib.parse.parse_qsl(address.query))
            assert query["service"] == "registry"
            self.answer(200, {"token": f"for {query['scope']}"})
            return
        _, _, rest = address.path.partition("/v2/")
        repository, _, reference = rest.partition("/manifests/")
        scope = f"repository:{repository}:pull"
        if self.headers.get("Authorization") != f"Bearer for {scope}" or repository.startswith("private/"):
            challenge = f'Bearer realm="{here}/token",service="registry",scope="{scope}"'
            self.answer(401, {}, {"WWW-Authenticate": challenge})
            return
        assert self.command == "HEAD"
        assert "oci.image.index" in self.headers["Accept"]
        self.answer(200 if f"{repository}:{reference}" in self.images else 404, {})

    do_HEAD = do_GET


@contextlib.contextmanager
def registry(images: set[str]) -> Iterator[str]:
    """The name (host:port) of a registry that has these images."""
    with _serving(type("_RegistryOf", (_Registry,), {"images": images})) as address:
        yield address.removeprefix("http://")


class _Server(http.server.ThreadingHTTPServer):
    """Ends without waiting for connections that clients keep open; a client that goes away is no news."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextlib.contextmanager
def _serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
