"""The fsspec file system of a URI, and how that of S3 is set up."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

from ostinato.errors import DataError, Problem
from ostinato.storage.address import is_local, is_s3

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT")
_ATTEMPTS = 6
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10, 30


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it.

    `minio://bucket/key`, as Kubeflow writes it, is S3 at the endpoint of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or
    AWS_S3_ENDPOINT.

    Raises:
        DataError: the protocol is unknown, its package is not installed, or the endpoint of minio:// is not set.
    """
    import fsspec

    try:
        if is_s3(uri):
            system, path = _s3_of(uri)
        else:
            system, path = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        allowed = "a local path, s3://, minio://, http(s)://, gs:// and other protocols of fsspec"
        raise DataError(Problem(uri, f"this kind of URI can't be opened: {error}", allowed)) from error
    if not is_local(uri):
        system.invalidate_cache()  # listings of a moment ago would hide new and changed objects
    return system, path


def _s3_of(uri: str) -> tuple[Any, str]:
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    if not endpoint and uri.startswith("minio://"):
        hint = "set AWS_ENDPOINT_URL_S3, e.g. http://minio-service.kubeflow:9000"
        raise DataError(Problem(uri, "minio:// needs to know where the server is", hint=hint))
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    # Who we are is asked for once, when a client is made; so another environment is another client.
    identity = hash(tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))))
    return _s3(endpoint, identity, os.getpid()), uri.partition("://")[2].strip("/")


@functools.lru_cache(maxsize=8)
def _s3(endpoint: str, identity: int, process: int) -> Any:
    """S3 at an endpoint, empty for that of AWS; the other parameters tell clients apart that must not be shared."""
    from s3fs import S3FileSystem

    # It writes a traceback of what is then raised, and told in words.
    logging.getLogger("aiobotocore.credentials").setLevel(logging.CRITICAL)
    config: dict[str, Any] = {
        "retries": {
            "mode": os.environ.get("AWS_RETRY_MODE", "standard"),
            "total_max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", _ATTEMPTS)),
        },
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "read_timeout": _READ_TIMEOUT_S,
        "max_pool_connections": 32,
    }
    if endpoint:
        # Stores other than that of AWS refuse or garble the checksums that botocore adds since 2025.
        for option in ("request_checksum_calculation", "response_checksum_validation"):
            config[option] = os.environ.get(f"AWS_{option}".upper(), "when_required")
    system = S3FileSystem(endpoint_url=endpoint or None, config_kwargs=config, skip_instance_cache=True)
    system.retries = 1  # botocore tries again, with jitter; s3fs around it would multiply the attempts
    return system
