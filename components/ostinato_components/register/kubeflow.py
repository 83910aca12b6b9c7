"""Kubeflow Model Registry: a version that names the bundle by its URI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from model_registry import ModelRegistry
from model_registry.exceptions import StoreError
from mr_openapi.exceptions import OpenApiException

from ostinato.errors import OstinatoError, Problem
from ostinato.model_registry.spec import RegistrySpec
from ostinato_components.register.entry import Entry

_FORMAT = "ostinato-bundle"


def register(spec: RegistrySpec, entry: Entry, environment: Mapping[str, str]) -> str:
    """Registers; gives the name of the version, made of the bundle's digest.

    Raises:
        OstinatoError: the server refuses or can't be reached.
    """
    try:
        registry = _client(spec, environment.get("MODEL_REGISTRY_TOKEN", ""))
        if registry.get_model_version(spec.model, entry.version) is None:
            metadata: dict[str, Any] = {**entry.tags, **entry.metrics}
            registry.register_model(
                spec.model,
                entry.uri,
                version=entry.version,
                model_format_name=_FORMAT,
                model_format_version="1",
                author=spec.author,
                metadata=metadata,
            )
    except (TimeoutError, StoreError, OpenApiException, aiohttp.ClientError, OSError) as error:
        text = " ".join(str(error).split())[:300]
        raise OstinatoError(Problem(spec.uri, f"Kubeflow Model Registry: {text}")) from error
    return entry.version


def _client(spec: RegistrySpec, token: str) -> ModelRegistry:
    address = urlsplit(spec.uri)
    is_secure = address.scheme == "https"
    return ModelRegistry(
        f"{address.scheme}://{address.hostname}",
        address.port or (443 if is_secure else 80),
        author=spec.author,
        user_token=token or None,
        is_secure=is_secure,
    )
