"""A new model becomes a version of a registered model, in MLflow or in Kubeflow Model Registry."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from ostinato.errors import ConfigError, Problem
from ostinato.model_registry.spec import RegistrySpec
from ostinato_components.register.entry import describe

log = logging.getLogger("ostinato.register")


def run(
    section: str,
    bundle: str,
    uri: str,
    metrics: Mapping[str, Any],
    *,
    run_id: str = "",
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Registers the bundle; gives its version. The same bundle is the same version, however often it is registered.

    Args:
        section: the section `registry` as JSON.
        bundle: folder of the bundle.
        uri: where it lies for others.
        metrics: figures by feature.metric; what is no finite number is left out.
        run_id: id of the run.
        environment: holds the keys of the Secret.

    Raises:
        ConfigError: the client of the registry is not installed.
        DataError: it is no bundle.
        OstinatoError: the registry refuses or can't be reached.
    """
    spec = RegistrySpec.model_validate_json(section, strict=False)
    entry = describe(bundle, uri, metrics, run_id)
    try:
        if spec.type == "mlflow":
            from ostinato_components.register import mlflow as registry
        else:
            from ostinato_components.register import kubeflow as registry  # type: ignore[no-redef]
    except ImportError as error:
        extra = "mlflow" if spec.type == "mlflow" else "model-registry"
        message = f"the client of {spec.type} is not installed: {error.name}"
        raise ConfigError(Problem("registry.type", message, hint=f"pip install 'ostinato[{extra}]'")) from error
    version = registry.register(spec, entry, environment)
    log.info("%s %s: version %s at %s", spec.type, spec.model, version, spec.uri)
    return version
