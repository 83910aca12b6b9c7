"""Pods of a compiled pipeline: the section `backend.kubernetes`. It is applied when the pipeline is compiled."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, Strict, model_validator

from ostinato.spec import Name, NonNegativeInt, PositiveInt, Spec, clash


def _like(pattern: str, allowed: str) -> AfterValidator:
    """A check that a text has a form: what Kubernetes refuses would fail the run after it was submitted."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise clash("", f"found the text '{text}'", allowed)
        return text

    return AfterValidator(check)


_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
ObjectName = Annotated[
    str, _like(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", "a name of Kubernetes: lower case letters, digits, - and .")
]
Quantity = Annotated[str, _like(r"[0-9]+(\.[0-9]+)?([KMGTPE]i?)?", "a quantity of Kubernetes, e.g. 2Gi or 500Mi")]
Path = Annotated[str, _like(r"/[^:]*", "a path from the root, e.g. /data")]
LabelKey = Annotated[
    str, _like(rf"([a-z0-9.-]+/)?(?=.{{1,63}}$){_WORD}", "a key of Kubernetes, e.g. team or example.com/team")
]
LabelValue = Annotated[str, _like(rf"(?=.{{0,63}}$)({_WORD})?", "at most 63 letters, digits, -, _ and .")]


VariableName = Annotated[str, _like(r"[A-Za-z_][A-Za-z0-9_]*", "a name of a variable, e.g. AWS_DEFAULT_REGION")]

S3_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_S3",
    "AWS_DEFAULT_REGION",
)
_SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSWORD")


class KubernetesImagesSpec(Spec):
    """Images of the steps; those named on the command line win."""

    data: Name | None = None
    """Image of the steps without torch. Null for `OSTINATO_IMAGE_DATA`, else that of this version."""
    train: Name | None = None
    """Image of the steps with torch. Null for `OSTINATO_IMAGE_TRAIN`, else that of this version."""


class VolumeSpec(Spec):
    """A volume that every step mounts."""

    claim: ObjectName
    """Name of the PersistentVolumeClaim; steps on several machines need one that many may write to."""
    mount_path: Path
    """Where the steps see it."""
    sub_path: str = ""
    """Folder of the volume; empty for all of it."""


class NodeAffinitySpec(Spec):
    """Which machines may, or should, run the steps."""

    key: LabelKey
    """Label of the machines."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    """How the label is compared with the values."""
    values: Annotated[tuple[str, ...], Strict(False)] = ()
    """What the label is compared with."""
    weight: Annotated[int, Ge(1), Le(100)] | None = None
    """Null requires it, together with all others that have no weight; a number only prefers it."""


class KubernetesSpec(Spec):
    """How the pods of a compiled pipeline are made, as far as the run form can't say it."""

    images: KubernetesImagesSpec = KubernetesImagesSpec()
    """Images of the steps."""
    image_pull_secrets: Annotated[tuple[ObjectName, ...], Strict(False)] = ()
    """Names of the Secrets that images are pulled with."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When images are pulled; null leaves it to the cluster."""
    s3_secret_keys: dict[str, VariableName] = {key: key for key in S3_KEYS}
    """Keys of the Secret that the run form names, and the variables of every step that they become; those that the
    Secret lacks are left out. {} for none at all, where a PodDefault sets such variables."""
    environment: dict[VariableName, str] = {}
    """Further variables of every step; no secrets, since all who may read the package can read them."""
    shm_size: Quantity | None = None
    """Size of /dev/shm of the training step, which lies in memory and counts as such, e.g. 2Gi; several GPUs in one
    pod need it. Null for what the cluster gives, mostly 64 MB."""
    labels: dict[LabelKey, LabelValue] = {}
    """Labels of every pod."""
    annotations: dict[LabelKey, str] = {}
    """Annotations of every pod."""
    volumes: Annotated[tuple[VolumeSpec, ...], Strict(False)] = ()
    """Volumes that every step mounts."""
    node_affinity: Annotated[tuple[NodeAffinitySpec, ...], Strict(False)] = ()
    """Which machines may, or should, run the steps."""
    retries: dict[str, NonNegativeInt] = {}
    """How often a step that fails is tried again, by its name, e.g. {train: 2}. Training with a storage is tried again
    once if not told otherwise."""
    timeout_s: dict[str, PositiveInt] = {}
    """Seconds after which a step is ended, by its name, e.g. {train: 86400}."""
    run_timeout_s: PositiveInt | None = None
    """Seconds after which the whole run is ended."""
    parallelism: PositiveInt | None = None
    """Most tasks of `backend.preprocessing.shards` that run at once; null for all."""
    ttl_s: PositiveInt | None = None
    """Seconds after its end when a run's pods and workflow are removed; null leaves it to the cluster."""

    @model_validator(mode="after")
    def _no_secrets_by_value(self) -> KubernetesSpec:
        for name in self.environment:
            if any(word in name.upper() for word in _SECRET_WORDS):
                message = f"'{name}' looks like a secret, and all who may read the package could read it"
                raise clash("environment", message, "a key of a Secret: see s3_secret_keys, or a PodDefault")
        return self
