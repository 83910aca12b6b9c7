"""Nodes that train together, wherever they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

COMPLETE, FAILED = "Complete", "Failed"
"""How a TrainJob ends, in the words of Kubeflow Trainer."""
Json = dict[str, Any]
"""A part of a Kubernetes object."""


@dataclass(frozen=True)
class Placement:
    """What a node gets and where it may run: parts of a pod's spec, as Kubernetes writes them."""

    resources: Json | None = None
    """`limits` and `requests` of each node."""
    tolerations: list[Json] | None = None
    node_selector: dict[str, str] | None = None
    affinity: Json | None = None


@dataclass(frozen=True)
class NodeJob:
    """What nodes are to do."""

    name: str
    """Name of the TrainJob: the same after a retry of the step."""
    job: str
    """URI of the `Job` as JSON."""
    errors: str
    """URI of the folder where a node leaves an error of the user."""
    image: str
    num_nodes: int
    processes: int
    """Processes of each node."""
    runtime: str
    """Name of the training runtime."""
    placement: Placement


class Nodes(ABC):
    """Where TrainJobs run, by the Kubeflow SDK."""

    run_id: str = ""
    """The pipeline run that this step is a part of; empty outside of one."""

    @abstractmethod
    def start(self, job: NodeJob) -> None:
        """Creates the TrainJob.

        Raises:
            ConfigError: there is no such runtime, or the nodes would not get at the storage.
            OstinatoError: the cluster says no.
        """

    @abstractmethod
    def status(self, name: str) -> str | None:
        """How it is doing: `Created`, `Running`, `Complete` or `Failed`; None where there is none of that name."""

    @abstractmethod
    def pass_on(self, name: str) -> None:
        """Sees to it that what the nodes print comes out here, and that what keeps them from starting is told."""

    @abstractmethod
    def account(self, name: str) -> str:
        """How the nodes ended, for an error message: `node 1: OOMKilled (exit code 137)`."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Deletes the TrainJob, if it is there; its nodes are told, and get time to write a checkpoint."""
