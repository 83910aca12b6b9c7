"""What the nodes inherit from the pod of this step: how to get at the storage, and at the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ostinato.errors import ConfigError, Problem
from ostinato_components.train_nodes.nodes import Json

_STORAGE = ("AWS_", "FSSPEC_")
_SECRET = ("KEY", "SECRET", "TOKEN", "PASSWORD")
_FILES = ("_FILE", "_BUNDLE")
"""Endings of variables that name a file, which the nodes do not have."""
_BY_ACCOUNT = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
"""The cluster gives these to the pods of a service account, with what belongs to them."""


@dataclass(frozen=True)
class OwnPod:
    """The pod that this step runs in, as JSON; empty outside a cluster."""

    pod: Json

    @property
    def run_id(self) -> str:
        """The pipeline run; empty outside of one."""
        return str(self.pod.get("metadata", {}).get("labels", {}).get("pipeline/runid", ""))

    def pull_secrets(self) -> list[Json]:
        """What the image is pulled with."""
        secrets: list[Json] = self._spec.get("imagePullSecrets", [])
        return secrets

    def service_account(self, environment: Mapping[str, str]) -> str:
        """The service account, where the right to the storage comes with it; else empty."""
        return str(self._spec.get("serviceAccountName", "")) if _is_by_account(environment) else ""

    def storage_environment(self, environment: Mapping[str, str]) -> list[Json]:
        """The entries `env` of a node's container: what this process has to get at the storage.

        Secrets go by reference. Whoever may read TrainJobs would see their values.

        Raises:
            ConfigError: a secret is here by its value only.
        """
        entries: list[Json] = []
        by_value: list[str] = []
        for name in sorted(name for name in environment if name.startswith(_STORAGE) and environment[name]):
            if name.endswith(_FILES) or (
                _is_by_account(environment) and name.startswith(("AWS_ROLE", "AWS_CONTAINER"))
            ):
                continue
            is_secret = any(word in name for word in _SECRET)
            source = self._source(name, is_secret)
            if source:
                entries.append({"name": name, "valueFrom": source})
            elif is_secret:
                by_value.append(name)
            else:
                entries.append({"name": name, "value": environment[name]})
        if by_value:
            raise ConfigError(
                Problem(
                    "backend.storage",
                    f"the nodes need {' and '.join(by_value)}, which this step has by value, not from a Secret",
                    "environment variables that are keys of a Secret",
                    "kfp.kubernetes.use_secret_as_env, a PodDefault, or a service account with a role",
                )
            )
        return entries

    @property
    def _spec(self) -> Json:
        spec: Json = self.pod.get("spec", {})
        return spec

    def _source(self, name: str, is_secret: bool) -> Json | None:
        """Where the pod has a variable from: `secretKeyRef` and the like."""
        for container in self._spec.get("containers", []):
            if container["name"] != "main":  # the one that KFP runs the step in
                continue
            declared = {entry["name"]: entry for entry in container.get("env", [])}
            if name in declared:
                source: Json | None = declared[name].get("valueFrom")
                return source
            whole = list(_whole_secrets(container, name))
            if is_secret and len(whole) == 1:
                return {"secretKeyRef": whole[0]}
        return None


def _whole_secrets(container: Json, name: str) -> Iterator[Json]:
    """The secrets whose every key is a variable, and which may hold this one."""
    for entry in container.get("envFrom", []):
        prefix = entry.get("prefix", "")
        if "secretRef" in entry and name.startswith(prefix):
            yield {"name": entry["secretRef"]["name"], "key": name.removeprefix(prefix)}


def _is_by_account(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in _BY_ACCOUNT)
