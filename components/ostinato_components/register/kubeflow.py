"""Kubeflow Model Registry: a version that names the bundle by its URI."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import tenacity
from model_registry import ModelRegistry
from model_registry.exceptions import StoreError
from mr_openapi.exceptions import OpenApiException, ServiceException

from ostinato.errors import OstinatoError, Problem
from ostinato.model_registry.spec import RegistrySpec
from ostinato_components.register.entry import Entry

Answer = TypeVar("Answer")

_FORMAT = "ostinato-bundle"


def register(spec: RegistrySpec, entry: Entry, environment: Mapping[str, str]) -> str:
    """Registers; gives the name of the version, made of the bundle's digest.

    Raises:
        OstinatoError: the server refuses or can't be reached.
    """
    try:
        registry = _again(lambda: _client(spec, environment.get("MODEL_REGISTRY_TOKEN", "")))
        if not _again(lambda: _is_known(registry, spec.model, entry.version)):
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


def _is_known(registry: ModelRegistry, model: str, version: str) -> bool:
    # Its client has an error for a model that is not there, and None for a version.
    return registry.get_registered_model(model) is not None and registry.get_model_version(model, version) is not None


def _again(request: Callable[[], Answer]) -> Answer:
    """The answer to a question, asked again while the server is only for a moment away."""
    again = tenacity.retry(
        retry=tenacity.retry_if_exception_type((aiohttp.ClientError, ServiceException, TimeoutError)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_attempt(4),
        reraise=True,
    )
    return again(request)()


def _client(spec: RegistrySpec, token: str) -> ModelRegistry:
    address = urlsplit(spec.uri)
    is_secure = address.scheme == "https"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no token
        return ModelRegistry(
            f"{address.scheme}://{address.hostname}",
            address.port or (443 if is_secure else 80),
            author=spec.author,
            user_token=token or None,
            is_secure=is_secure,
        )
