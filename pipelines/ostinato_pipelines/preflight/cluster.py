"""What is asked of the cluster: the version of Kubeflow Pipelines, and what is in the namespace of the runs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import kubernetes
import urllib3
from kubernetes.utils.quantity import parse_quantity

from ostinato.backend.kubernetes.spec import S3_KEYS
from ostinato.errors import ConfigError, OstinatoError, Problem
from ostinato_pipelines.pods import S3_SECRET
from ostinato_pipelines.preflight.check import CouldNotCheck
from ostinato_pipelines.remote.connection import POD, TIMEOUT_S, NoAddress, Place, connect, has_cluster, reason

OLDEST = (2, 17)


def check_backend(place: Place, environment: Mapping[str, str] = os.environ) -> str:
    """That Kubeflow Pipelines can be reached and is new enough.

    Raises:
        OstinatoError: it can't, or is not, or does not let us in.
        CouldNotCheck: there is no address, or the server does not know its version.
    """
    try:
        connection = connect(place, environment)
    except NoAddress as error:
        raise CouldNotCheck(str(error)) from error
    where, health = connection.where, connection.repeated(connection.backend.get_kfp_healthz)
    version = re.match(r"v?(\d+)\.(\d+)", str(health.tag_name))
    if version is None:
        raise CouldNotCheck(f"{where} can be reached, and says its version is '{health.tag_name}'")
    if tuple(map(int, version.groups())) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise OstinatoError(Problem(where, f"is Kubeflow Pipelines {health.tag_name}", f"{needed} or newer"))
    return f"Kubeflow Pipelines {health.tag_name} at {where}"


class Namespace:
    """The namespace of the runs.

    Raises:
        CouldNotCheck: there is no kubeconfig.
    """

    def __init__(self, place: Place, environment: Mapping[str, str] = os.environ) -> None:
        if not has_cluster(environment):
            raise CouldNotCheck("there is no kubeconfig here")
        settings = kubernetes.client.Configuration()
        try:
            if POD.exists() and not place.kube_context:
                kubernetes.config.load_incluster_config(settings)
                own = POD.read_text()
            else:
                file = environment.get("KUBECONFIG") or None
                kubernetes.config.load_kube_config(file, place.kube_context or None, settings)
                contexts, active = kubernetes.config.list_kube_config_contexts(file)
                named = [each for each in contexts if each["name"] == place.kube_context] or [active]
                own = named[0]["context"].get("namespace", "")
        except kubernetes.config.ConfigException as error:
            raise CouldNotCheck(f"the kubeconfig can't be used: {error}") from error
        settings.retries = 1
        self._api = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(settings))
        self.name = place.namespace or environment.get("KF_PIPELINES_NAMESPACE") or own or "kubeflow"

    def check_s3_secret(self, name: str, variables: Mapping[str, str], uris: list[str]) -> str:
        """That the Secret with the keys of the storage is there, and has them: key -> variable."""
        keys = set(self._read("secret", name).data or {})
        if not keys:
            message = f"there is no Secret '{name}' in the namespace '{self.name}'"
            if name != S3_SECRET:
                raise ConfigError(Problem("s3_secret", message))
            if not uris:
                return f"{message}; nothing here is in S3"
            raise CouldNotCheck(f"{message}: the steps must get at {uris[0]} some other way, e.g. by a service account")
        needed = {key for key, variable in variables.items() if variable in S3_KEYS[:2]}
        if lacking := needed - keys:
            message = f"the Secret '{name}' lacks {' and '.join(sorted(lacking))}"
            raise ConfigError(Problem("s3_secret", message, f"keys: {', '.join(variables)}"))
        return f"the Secret '{name}' has {', '.join(key for key in variables if key in keys)}"

    def check_objects(self, wanted: list[tuple[str, str]]) -> str:
        """That what the pods name is there: (kind, name) each."""
        problems = [
            Problem("backend.kubernetes", f"there is no {kind} '{name}' in the namespace '{self.name}'")
            for kind, name in wanted
            if not self._read(kind, name).metadata
        ]
        if problems:
            raise ConfigError(problems)
        return ", ".join(f"{kind} '{name}'" for kind, name in wanted)

    def check_quota(self, needs: Mapping[str, Mapping[str, Decimal]]) -> str:
        """That each step, alone, fits into what the quotas leave: step -> resource -> amount."""
        with self._explained("resource quotas"):
            quotas = self._api.list_namespaced_resource_quota(self.name, _request_timeout=TIMEOUT_S).items
        problems = [
            Problem(
                f"{step}: {resource}",
                f"needs {amount:f}, and the quota '{quota.metadata.name}' leaves {left:f}",
            )
            for quota in quotas
            for step, amounts in needs.items()
            for resource, amount in amounts.items()
            for left in _left(quota, resource)
            if amount > left
        ]
        if problems:
            raise OstinatoError(dict.fromkeys(problems))
        names = ", ".join(f"'{quota.metadata.name}'" for quota in quotas)
        return f"every step fits into {names}" if quotas else f"the namespace '{self.name}' has none"

    def _read(self, kind: str, name: str) -> Any:
        """An object of the namespace; one without content where there is none."""
        read = {
            "secret": self._api.read_namespaced_secret,
            "volume claim": self._api.read_namespaced_persistent_volume_claim,
        }[kind]
        with self._explained(f"the {kind} '{name}'"):
            try:
                return read(name, self.name, _request_timeout=TIMEOUT_S)
            except kubernetes.client.ApiException as error:
                if error.status != 404:
                    raise
        return SimpleNamespace(data={}, metadata=None)

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except kubernetes.client.ApiException as error:
            raise CouldNotCheck(
                f"{what} in '{self.name}': the cluster answers {error.status} {error.reason}"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise CouldNotCheck(f"the cluster can't be reached: {reason(error)}") from error


def needs(inputs: Mapping[str, Any], num_nodes: int = 1) -> dict[str, dict[str, Decimal]]:
    """What the steps with resources of their own ask for: step -> resource -> amount.

    Raises:
        ConfigError: an input is no quantity of Kubernetes.
    """
    found: dict[str, dict[str, Decimal]] = {}
    problems = []
    for step, times in (("preprocess", 1), ("train", num_nodes)):
        found[step] = {}
        resources = {"cpu": f"{step}_cpu", "memory": f"{step}_memory"}
        if step == "train":
            resources[str(inputs["train_accelerator_type"])] = "train_accelerator_count"
        for resource, name in resources.items():
            try:
                found[step][resource] = parse_quantity(str(inputs[name])) * times
            except ValueError:
                problems.append(Problem(name, f"found the text '{inputs[name]}'", "a quantity, e.g. 4, 500m or 8Gi"))
    if problems:
        raise ConfigError(problems)
    return found


def _left(quota: Any, resource: str) -> Iterator[Decimal]:
    """What a quota leaves of a resource, by each of the names that it has for it."""
    hard, used = (quota.status.hard or {}, quota.status.used or {}) if quota.status else ({}, {})
    for key in (resource, f"requests.{resource}", f"limits.{resource}"):
        if key in hard:
            yield parse_quantity(hard[key]) - parse_quantity(used.get(key, "0"))
