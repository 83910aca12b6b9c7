"""Where a new model is entered so that others find it: the section `registry`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from ostinato.spec import Name, Spec

MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
KUBEFLOW_KEYS = ("MODEL_REGISTRY_TOKEN",)
SECRET_KEYS = (*MLFLOW_KEYS, *KUBEFLOW_KEYS)
"""Keys of the Secret, and the variables of the step that they become."""

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/\S*)?$")]
"""An address of the web without a name and a password in it: these are for the Secret."""


class RegistrySpec(Spec):
    """A new model becomes a version of a registered model, after the gate has accepted it where there is one.

    Applied when a pipeline is compiled, and no part of what a run is keyed on.
    """

    type: Literal["mlflow", "kubeflow"]
    """MLflow's registry, or Kubeflow Model Registry."""
    uri: Address
    """Address of its server: http://mlflow.mlflow:5000, or https://registry.example.com."""
    model: Name
    """Name of the registered model; made where there is none."""
    alias: str = "champion"
    """MLflow: alias that points to the new version, moved when all else is there; empty for none."""
    experiment: Name = "ostinato"
    """MLflow: experiment of the run that holds parameters and metrics."""
    author: Name = "ostinato"
    """Kubeflow: who registers."""
    secret: Name = "ostinato-registry"  # noqa: S105  # its name
    """Secret with the keys MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
    MODEL_REGISTRY_TOKEN; there need be none."""
