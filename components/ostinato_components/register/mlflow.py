"""MLflow's registry: a run with parameters and metrics, the bundle as a model that takes raw rows, an alias last."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow
import pyarrow as pa
import requests
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ostinato import __version__
from ostinato.errors import OstinatoError, Problem
from ostinato.model_registry import pyfunc
from ostinato.model_registry.spec import MLFLOW_KEYS, RegistrySpec
from ostinato_components.register.entry import Entry

_MARK = "ostinato.bundle"
_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""MLflow's own tries go on for minutes where a server is down."""
_NOT_IN_NAMES = re.compile(r"[^\w\-./ ]")


def register(spec: RegistrySpec, entry: Entry, environment: Mapping[str, str]) -> str:
    """Registers; gives the number of the version.

    Raises:
        OstinatoError: the server refuses or can't be reached.
    """
    with _server(spec, environment):
        client = mlflow.MlflowClient(spec.uri, spec.uri)
        version = _known(client, spec, entry) or _made(spec, entry)
        if spec.alias:
            client.set_registered_model_alias(spec.model, spec.alias, version)
        return version


def _known(client: mlflow.MlflowClient, spec: RegistrySpec, entry: Entry) -> str:
    """The version that holds the bundle already; empty where there is none."""
    name = spec.model.replace("'", "\\'")
    found: list[ModelVersion] = list(client.search_model_versions(f"name='{name}'"))
    return next((str(each.version) for each in found if each.tags.get(_MARK) == entry.digest), "")


def _made(spec: RegistrySpec, entry: Entry) -> str:
    experiment = mlflow.set_experiment(spec.experiment)
    with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=f"{spec.model} {entry.version}"):
        mlflow.set_tags(entry.tags)
        mlflow.log_params({_name(key): text for key, text in entry.parameters.items()})
        mlflow.log_metrics({_name(key): value for key, value in entry.metrics.items()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no example: rows of data are nothing for a registry
            model = mlflow.pyfunc.log_model(
                name="model",
                loader_module=pyfunc.__name__,
                data_path=entry.bundle,
                signature=_signature(entry.bundle),
                pip_requirements=[f"ostinato[train,mlflow]=={__version__}"],
            )
        made = mlflow.register_model(model.model_uri, spec.model, tags=entry.tags)
    return str(made.version)


def _signature(bundle: str) -> ModelSignature:
    """The raw columns that the model takes; none of them needs to have a value."""
    types = pyfunc.BundleModel(bundle).predictor.types()
    return ModelSignature(inputs=Schema([ColSpec(_type(kind), name, required=True) for name, kind in types.items()]))


def _type(kind: pa.DataType) -> DataType:
    if pa.types.is_boolean(kind):
        return DataType.boolean
    if pa.types.is_integer(kind):
        return DataType.long
    return DataType.double if pa.types.is_floating(kind) or pa.types.is_decimal(kind) else DataType.string


def _name(text: str) -> str:
    """A name that MLflow takes."""
    return _NOT_IN_NAMES.sub("_", text)


@contextlib.contextmanager
def _server(spec: RegistrySpec, environment: Mapping[str, str]) -> Iterator[None]:
    keys = {key: environment[key] for key in MLFLOW_KEYS if environment.get(key)}
    before = {name: os.environ.get(name) for name in (*_QUICK, *keys)}
    os.environ.update(_QUICK | keys)
    uris = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(spec.uri)
    mlflow.set_registry_uri(spec.uri)
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        raise OstinatoError(Problem(spec.uri, _said(error), hint="registry.secret holds the keys")) from error
    finally:
        mlflow.set_tracking_uri(uris[0])
        mlflow.set_registry_uri(uris[1])
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _said(error: Any) -> str:
    text = " ".join(str(error).split())[:300]
    return (
        f"MLflow can't be reached: {text}" if "Max retries" in text or "Connection" in text else f"MLflow says: {text}"
    )
