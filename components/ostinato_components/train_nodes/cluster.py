"""Nodes as pods of a Kubernetes cluster with Kubeflow Trainer."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import TrainerClient
from kubernetes import client as kubernetes
from kubernetes import watch
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from ostinato.errors import ConfigError, OstinatoError, Problem
from ostinato_components.train_nodes.nodes import Json, NodeJob, Nodes
from ostinato_components.train_nodes.own_pod import OwnPod
from ostinato_components.train_nodes.trainjob import NODE, train_job

log = logging.getLogger("ostinato.train_nodes")

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
_JOB_LABEL = "jobset.sigs.k8s.io/jobset-name"
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
_PATIENCE_S = 300.0
"""How long the API server may be away: nodes train on without it."""
_RETRY_S = 2.0
_REQUEST_S = 60.0
_STOP_S = 25.0
"""For nodes that were told to end; Kubernetes gives this step 30 s when it is told itself."""
_DRAIN_S = 10.0
"""For the last lines of a node."""
_STARTING = ("ContainerCreating", "PodInitializing")
Answer = TypeVar("Answer")


class Cluster(Nodes):
    """Pods of a TrainJob.

    Args:
        settings: which cluster and namespace; by default those that this process runs in, or that KUBECONFIG names.
    """

    def __init__(self, settings: KubernetesBackendConfig | None = None) -> None:
        try:
            self._client = TrainerClient(settings or KubernetesBackendConfig())
        except ConfigException as error:
            hint = "run the step in a cluster, or set KUBECONFIG"
            raise OstinatoError(Problem("Kubernetes", f"there is no cluster to talk to: {error}", hint=hint)) from error
        self._pods = self._client.backend.core_api
        self._namespace = self._client.backend.namespace
        self._streams: dict[str, _Stream] = {}
        self._told: dict[str, str] = {}
        self._own_pod = OwnPod(self._read_own_pod())
        self.run_id = self._own_pod.run_id

    def start(self, job: NodeJob) -> None:
        """See `Nodes`."""
        body = train_job(job, self._runtime_kind(job.runtime), self._own_pod, os.environ)
        create = self._client.backend.custom_api.create_namespaced_custom_object
        _ask(
            "create the TrainJob",
            lambda: create(GROUP, VERSION, self._namespace, PLURAL, body),
            done=lambda: self.status(job.name) is not None,
        )

    def status(self, name: str) -> str | None:
        """See `Nodes`."""
        job = _ask("read the TrainJob", lambda: self._client.get_job(name))
        return None if job is None else job.status

    def pass_on(self, name: str) -> None:
        """See `Nodes`."""
        for pod in self._nodes(name):
            if (trouble := _trouble(pod)) and self._told.get(pod.metadata.name) != trouble:
                log.info("%s: %s", _name_of(pod), trouble)
                self._told[pod.metadata.name] = trouble
            if any(status.state.running or status.state.terminated for status in pod.status.container_statuses or ()):
                stream = self._streams.setdefault(pod.metadata.name, _Stream(self._pods, pod))
                stream.follow(is_last=pod.status.phase in ("Succeeded", "Failed"))

    def account(self, name: str) -> str:
        """See `Nodes`."""
        return "; ".join(f"{_name_of(pod)}: {end}" for pod in self._nodes(name) if (end := _end(pod)))

    def stop(self, name: str) -> None:
        """See `Nodes`."""
        self.pass_on(name)
        for stream in self._streams.values():
            if stream.is_last:  # with the pod goes what it printed
                stream.end()
        _ask("delete the TrainJob", lambda: self._client.delete_job(name))
        deadline = time.monotonic() + _STOP_S
        while self._nodes(name) and time.monotonic() < deadline:
            time.sleep(_RETRY_S / 4)
        for stream in self._streams.values():
            stream.end()
        self._streams.clear()

    def _nodes(self, name: str) -> list[kubernetes.V1Pod]:
        which = {"label_selector": f"{_JOB_LABEL}={name}", "_request_timeout": _REQUEST_S}
        listed = _ask("list pods", lambda: self._pods.list_namespaced_pod(self._namespace, **which))
        return sorted(listed.items, key=_name_of) if listed else []

    def _runtime_kind(self, name: str) -> str:
        runtime = _ask("read the training runtime", lambda: self._client.get_runtime(name))
        if runtime is None:
            hint = "kubectl get clustertrainingruntimes,trainingruntimes"
            where = "backend.trainer.runtime"
            raise ConfigError(Problem(where, f"there is no training runtime '{name}' in the cluster", hint=hint))
        return str(runtime.kind.value)

    def _read_own_pod(self) -> Json:
        """The pod of this step; KFP says its name."""
        name = os.environ.get("KFP_POD_NAME")
        if not name:
            return {}
        pod = _ask("read the pod of this step", lambda: self._pods.read_namespaced_pod(name, self._namespace))
        serialized: Json = self._pods.api_client.sanitize_for_serialization(pod) or {}
        return serialized


class _Stream:
    """What one node prints, each line once, however often the connection breaks."""

    def __init__(self, pods: kubernetes.CoreV1Api, pod: kubernetes.V1Pod) -> None:
        self._pods = pods
        self._name, self._namespace = pod.metadata.name, pod.metadata.namespace
        self._prefix = f"[{_name_of(pod)}] "
        self._reader: threading.Thread | None = None
        self.is_last = False
        """Whether the node has ended, so that nothing comes after what is being read."""
        self._last_stamp = ""
        self._last_line_at: float | None = None

    def follow(self, *, is_last: bool) -> None:
        """Reads on, unless it is being read, or was read after the node's end."""
        if self.is_last or (self._reader is not None and self._reader.is_alive()):
            return
        self.is_last = is_last
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> None:
        """Waits for the last lines."""
        if self._reader is not None:
            self._reader.join(_DRAIN_S)

    def _read(self) -> None:
        since = {}
        if self._last_line_at is not None:
            since = {"since_seconds": int(time.monotonic() - self._last_line_at) + 2}
        # A container that just began, a connection that broke: `follow` comes back.
        with contextlib.suppress(kubernetes.ApiException, HTTPError):
            for line in watch.Watch().stream(
                self._pods.read_namespaced_pod_log,
                self._name,
                self._namespace,
                container=NODE,
                timestamps=True,
                **since,
            ):
                stamp, _, text = line.partition(" ")
                if stamp > self._last_stamp:  # RFC 3339 with nine digits, so they sort as text
                    self._last_stamp, self._last_line_at = stamp, time.monotonic()
                    log.info("%s%s", self._prefix, text)


def _ask(what: str, call: Callable[[], Answer], done: Callable[[], bool] | None = None) -> Answer | None:
    """The answer of the API server; None where there is no such thing.

    Args:
        what: what for, as an error shows it.
        call: the request, by the SDK.
        done: whether a request that the server calls a conflict has been met all the same.

    Raises:
        OstinatoError: the server says no, or can't be reached for minutes.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return call()
        except (kubernetes.ApiException, HTTPError, RuntimeError, TimeoutError) as error:
            refusal = next((link for link in _chain(error) if isinstance(link, kubernetes.ApiException)), None)
            status = refusal.status if refusal else None
            if status == 404:
                return None
            if status == 409 and done is not None and done():
                return None
            if status == 403:
                hint = "give the step's service account the Role of docs/distributed.md"
                raise OstinatoError(Problem("Kubernetes", f"may not {what}: {_reason(error)}", hint=hint)) from error
            can_pass = status in (408, 409, 429) or (status is not None and status >= 500)
            is_lost = any(isinstance(link, HTTPError | TimeoutError) for link in _chain(error))
            if not (can_pass or is_lost) or time.monotonic() > deadline:
                raise OstinatoError(Problem("Kubernetes", f"could not {what}: {_reason(error)}")) from error
        time.sleep(_RETRY_S)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: the SDK hides the server's answer behind a RuntimeError of its own."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _reason(error: BaseException) -> str:
    """What the first cause says; of the API server the message in its answer."""
    *_, first = _chain(error)
    return str(getattr(first, "body", None) or first)


def _name_of(pod: kubernetes.V1Pod) -> str:
    return f"node {pod.metadata.labels.get(_INDEX_LABEL, '?')}"


def _trouble(pod: kubernetes.V1Pod) -> str:
    """What keeps a pod from starting; empty where nothing does."""
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"waits for a machine: {condition.message}"
    for status in pod.status.container_statuses or ():
        waiting = status.state.waiting
        if waiting and waiting.reason not in (None, *_STARTING):
            return f"does not start: {waiting.reason}: {waiting.message or ''}".rstrip(": ")
    return ""


def _end(pod: kubernetes.V1Pod) -> str:
    """How a pod ended; empty where it did not, or well."""
    for status in pod.status.container_statuses or ():
        ended = status.state.terminated or status.last_state.terminated
        if ended and ended.exit_code:
            return f"{ended.reason or 'Error'} (exit code {ended.exit_code})"
    return pod.status.reason or ""
