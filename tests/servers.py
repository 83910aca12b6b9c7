"""Real servers for tests: S3 by moto, the web by Python's own."""

import contextlib
import functools
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

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


@contextlib.contextmanager
def s3_server(host: str = "127.0.0.1") -> Iterator[str]:
    """The endpoint of an S3 server in a process of its own; `host` is an address of this machine."""
    port = free_port()
    endpoint = f"http://{host}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | ENVIRONMENT
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "moto did not start"
                assert process.poll() is None, "moto ended"
                time.sleep(0.1)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


class _Refusal(http.server.BaseHTTPRequestHandler):
    """Answers 403 to everything, as S3 does to wrong keys."""

    def do_GET(self) -> None:
        body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>wrong key</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

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


def refusing_server() -> contextlib.AbstractContextManager[str]:
    """The endpoint of an S3 server that knows none of our keys."""
    return _serving(_Refusal)


@contextlib.contextmanager
def _serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
