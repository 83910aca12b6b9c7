"""What a URI says by itself."""

from __future__ import annotations

import os


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    """The path of a local URI."""
    return os.path.expanduser(uri.removeprefix("file://"))


def is_http(uri: str) -> bool:
    """Whether the URI is a web address."""
    return uri.startswith(("http://", "https://"))


def is_s3(uri: str) -> bool:
    """Whether the URI is an object of an S3 store."""
    return uri.startswith(("s3://", "s3a://", "minio://"))
