"""The TrainJob of Kubeflow Trainer 2.2 or newer, as the API server gets it."""

from __future__ import annotations

from collections.abc import Mapping

from ostinato.errors import ConfigError, Problem
from ostinato.lock import GIT_SHA, IMAGE
from ostinato_components.train_nodes.nodes import Json, NodeJob, Placement
from ostinato_components.train_nodes.own_pod import OwnPod

NODE = "node"
"""Trainer's name of the replicated job and of the container that trains."""
_MODULE = "ostinato_components.train.node"
_MANAGER = "ostinato.io/launcher"
"""Who patches the runtime."""


def train_job(job: NodeJob, runtime_kind: str, own_pod: OwnPod, environment: Mapping[str, str]) -> Json:
    """The whole object.

    Args:
        job: what the nodes are to do.
        runtime_kind: `ClusterTrainingRuntime` or `TrainingRuntime`.
        own_pod: the pod of this step, from which the nodes inherit.
        environment: the variables of this process.
    """
    trainer: Json = {
        "image": job.image,
        # Trainer tells torchrun by PET_… variables how many nodes there are, which this is, and where the first is.
        "command": ["torchrun", "-m", _MODULE, job.job, job.errors],
        "numNodes": job.num_nodes,
        # Without it Trainer starts a process for each CPU.
        "numProcPerNode": job.processes,
        "env": [*own_pod.storage_environment(environment), *_provenance(job, environment)],
    }
    if resources := _resources(job.placement):
        trainer["resourcesPerNode"] = resources
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": job.name, "labels": {"app.kubernetes.io/managed-by": "ostinato"}},
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": runtime_kind, "name": job.runtime},
            "trainer": trainer,
            "runtimePatches": [{"manager": _MANAGER, "trainingRuntimeSpec": _patch(_pod(job, own_pod, environment))}],
        },
    }


def _provenance(job: NodeJob, environment: Mapping[str, str]) -> list[Json]:
    """What a node writes into the lock record and can't know."""
    entries = {IMAGE: job.image, GIT_SHA: environment.get(GIT_SHA, "")}
    return [{"name": name, "value": value} for name, value in entries.items() if value]


def _pod(job: NodeJob, own_pod: OwnPod, environment: Mapping[str, str]) -> Json:
    pod = {
        "serviceAccountName": own_pod.service_account(environment),
        "imagePullSecrets": own_pod.pull_secrets(),
        "tolerations": job.placement.tolerations,
        "nodeSelector": job.placement.node_selector,
        "affinity": job.placement.affinity,
        # The 64 MB that a container has by default are too little for NCCL.
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
        "containers": [{"name": NODE, "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}],  # noqa: S108
    }
    return {key: value for key, value in pod.items() if value}


def _patch(pod: Json) -> Json:
    job = {"name": NODE, "template": {"spec": {"template": {"spec": pod}}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}


def _resources(placement: Placement) -> Json:
    """Limits and requests, without devices that there shall be none of."""
    resources = placement.resources or {}
    found: Json = {}
    for kind in ("limits", "requests"):
        amounts = {name: str(amount) for name, amount in (resources.get(kind) or {}).items() if str(amount) != "0"}
        if amounts:
            found[kind] = amounts
    if "limits" in found and "cpu" not in found["limits"]:
        # The SDK reads the pods of a job by their devices, and fails where it finds none that it knows.
        hint = "set_cpu_limit of this task, e.g. to 4"
        raise ConfigError(Problem("resources", "a node has a limit, but none of its CPUs", "a number of CPUs", hint))
    return found


def devices(placement: Placement) -> int:
    """Accelerators of a node: what its limits name and Kubernetes itself does not know."""
    limits = (placement.resources or {}).get("limits") or {}
    return sum(int(amount) for name, amount in limits.items() if "/" in name and str(amount).isdigit())
