"""Nodes as containers of a Docker Engine, by the SDK's own backend: several nodes on one machine, to try them."""

from __future__ import annotations

import logging
import os
import threading

from kubeflow.trainer import ContainerBackendConfig, CustomTrainer, TrainerClient
from kubeflow.trainer.options import Name

from ostinato.errors import ConfigError, Problem
from ostinato_components.train_nodes.nodes import NodeJob, Nodes

log = logging.getLogger("ostinato.train_nodes")


def train(job: str, errors: str) -> None:
    """What the SDK writes into the container, by its source, and runs by torchrun."""
    from ostinato_components.train.node import main  # the image has it

    main(job, errors)


class Containers(Nodes):
    """Containers that share a network; they get the variables AWS_… and FSSPEC_… of this process.

    Args:
        settings: which engine, and whether it may pull images.
        environment: further variables of each node.
    """

    def __init__(self, settings: ContainerBackendConfig, environment: dict[str, str] | None = None) -> None:
        self._client = TrainerClient(settings)
        self._environment = environment or {}
        self._reader: threading.Thread | None = None

    def start(self, job: NodeJob) -> None:
        """See `Nodes`."""
        if job.processes != 1:
            where = "backend.trainer.num_workers"
            raise ConfigError(Problem(where, f"is {job.processes}; a container trains with one process", "1"))
        storage = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "FSSPEC_"))}
        trainer = CustomTrainer(
            func=train,
            func_args={"job": job.job, "errors": job.errors},
            image=job.image,
            num_nodes=job.num_nodes,
            env=storage | self._environment,
        )
        self._client.train(runtime=job.runtime, trainer=trainer, options=[Name(job.name)])

    def status(self, name: str) -> str | None:
        """See `Nodes`."""
        try:
            status: str = self._client.get_job(name).status
        except ValueError:  # "No TrainJob with name …"
            return None
        return status

    def pass_on(self, name: str) -> None:
        """See `Nodes`."""
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, args=(name,), daemon=True)
            self._reader.start()

    def account(self, name: str) -> str:
        """See `Nodes`."""
        steps = self._client.get_job(name).steps
        return "; ".join(f"{step.name}: {step.status}" for step in steps)

    def stop(self, name: str) -> None:
        """See `Nodes`. The engine tells the shell in the container, which tells nobody: the nodes are killed."""
        if self.status(name) is not None:
            self._client.delete_job(name)
        if self._reader is not None:
            self._reader.join(5)
            self._reader = None

    def _read(self, name: str) -> None:
        """The SDK gives the lines of one node after those of the other."""
        rest = ""
        for chunk in self._client.get_job_logs(name, follow=True):
            *lines, rest = (rest + chunk).split("\n")
            for line in lines:
                log.info("%s", line)
        if rest:
            log.info("%s", rest)
