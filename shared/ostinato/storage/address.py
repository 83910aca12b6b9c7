"""What a URI says by itself."""

from __future__ import annotations

import os
import re

_USER = re.compile(r"(?<=://)[^/@\s]*@")
# Signatures of presigned addresses, tokens of shared access: the query of a web address may let anybody in.
_QUERY = re.compile(r"(https?://[^\s?\"']*)\?[^\s\"']*=[^\s\"']*")


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


def shown(text: str) -> str:
    """A URI, or a text that holds some, without what lets others in: user and password, signed queries.

    >>> shown("https://me:secret@host/a.csv?X-Amz-Signature=abc")
    'https://…@host/a.csv?…'
    """
    return _QUERY.sub(r"\1?…", _USER.sub("…@", text))
