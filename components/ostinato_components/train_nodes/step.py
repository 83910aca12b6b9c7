"""Trains on several nodes: hands over URIs, starts a TrainJob, waits for it, fetches the model."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from pathlib import Path

from ostinato import storage
from ostinato.artifacts import MANIFEST, WEIGHTS
from ostinato.backend.spec import TrainerBackendSpec
from ostinato.config import Config
from ostinato.errors import ConfigError, Interrupted, OstinatoError, Problem
from ostinato.load import canonical_json, render
from ostinato.trainer.interruption import Interruption
from ostinato_components.task import from_json
from ostinato_components.train.job import Job
from ostinato_components.train_nodes import transfer
from ostinato_components.train_nodes.nodes import COMPLETE, FAILED, NodeJob, Nodes, Placement
from ostinato_components.train_nodes.trainjob import devices

log = logging.getLogger("ostinato.train_nodes")

_POLL_S = 2.0


def run(
    data_folder: str,
    config: Config,
    model_folder: str,
    learning_curves_path: str,
    *,
    image: str,
    seed: int = 42,
    placement: Placement | None = None,
    nodes: Nodes | None = None,
) -> None:
    """Trains on the nodes that `backend.trainer` asks for, and leaves the best model in the model folder.

    What the nodes read and write lies in `backend.storage`: below `jobs/` for this job only, below `checkpoints/` for
    whoever trains the same config on the same data next.

    Args:
        data_folder: What the step preprocess wrote.
        config: The config that the data was preprocessed with.
        model_folder: Where the model goes, whole or not at all.
        learning_curves_path: File for the learning curves.
        image: Image of the nodes.
        seed: Seed of the weights, of dropout and of the order of the rows.
        placement: Resources of each node, and where it may run.
        nodes: Where to run them; None for the cluster that this process runs in.

    Raises:
        ConfigError, DataError: as a node raised it, and for what keeps the nodes from starting; never tried again.
        Interrupted: SIGTERM came to this process, or somebody deleted the TrainJob.
        OstinatoError: too many crashes in a row without a new checkpoint, or the cluster says no.
    """
    store = _storage(config)
    placement = placement or Placement()
    if nodes is None:
        # Here, so that the package can be imported, for compiling a pipeline, without the SDK.
        from ostinato_components.train_nodes.cluster import Cluster

        nodes = Cluster()
    text = canonical_json(render(config))
    manifest = storage.read_bytes(f"{data_folder}/{MANIFEST}")
    name = _name(nodes.run_id, text, str(seed), hashlib.sha256(manifest).hexdigest())
    folder = f"{store}/jobs/{name}"
    spec = config.backend.trainer
    job = Job(
        data_folder=f"{folder}/data" if storage.is_local(data_folder) else data_folder,
        config=text,
        model_folder=f"{folder}/model",
        seed=seed,
        checkpoints=f"{store}/checkpoints",
        learning_curves_path=f"{folder}/learning_curves.html",
    )
    node_job = NodeJob(
        name=name,
        job=f"{folder}/job.json",
        errors=f"{folder}/errors",
        image=image,
        num_nodes=spec.num_nodes,
        processes=spec.num_workers if spec.num_workers != "auto" else max(devices(placement), 1),
        runtime=spec.runtime,
        placement=placement,
    )
    with Interruption() as interruption:
        try:
            if nodes.status(name) is None:
                _hand_over(data_folder, job, node_job)
                log.info("starting TrainJob %s: %d nodes, %s", name, spec.num_nodes, _each(node_job.processes))
                nodes.start(node_job)
            else:
                log.info("TrainJob %s is there already, from an earlier try of this step: going on with it", name)
            _train(nodes, node_job, job.checkpoints, spec, interruption)
            _fetch(job, model_folder, learning_curves_path)
        finally:
            nodes.stop(name)
    transfer.remove(folder)


def _storage(config: Config) -> str:
    """URI of the folder that every node sees."""
    uri = config.backend.storage
    if uri is None or storage.is_local(uri):
        found = "is not set" if uri is None else f"is {uri}, a path of one machine"
        raise ConfigError(
            Problem(
                "backend.storage", f"{found}; several nodes need one that all see", "a URI, e.g. s3://bucket/folder"
            )
        )
    return uri.rstrip("/")


def _name(*parts: str) -> str:
    """The same for the same run, config, seed and data: a retry of the step finds the job of the first try."""
    return f"ostinato-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}"


def _each(processes: int) -> str:
    return f"{processes} process{'es' if processes > 1 else ''} each"


def _hand_over(data_folder: str, job: Job, node_job: NodeJob) -> None:
    """Puts what the nodes read where they can read it, and takes away what an earlier try left."""
    transfer.remove(node_job.errors)
    transfer.remove(job.model_folder)
    if storage.is_local(data_folder):
        transfer.upload(data_folder, job.data_folder)
    storage.write_bytes_atomic(node_job.job, job.model_dump_json().encode())


def _train(nodes: Nodes, job: NodeJob, checkpoints: str, spec: TrainerBackendSpec, interruption: Interruption) -> None:
    """Waits until the nodes are done; starts them again when they crashed."""
    crashes, reached = 0, transfer.files(checkpoints)
    while True:
        status = _wait(nodes, job, interruption)
        if status == COMPLETE:
            return
        if interruption or status is None:
            what = "training was interrupted" if interruption else f"somebody deleted TrainJob {job.name}"
            hint = "run it again: it goes on from the last checkpoint"
            raise Interrupted(Problem("", what, hint=hint))
        now = transfer.files(checkpoints)
        crashes, reached = crashes + 1 if now == reached else 1, now
        account = nodes.account(job.name) or "no node says why"
        if crashes > spec.max_retries:
            times = "once" if crashes == 1 else f"{crashes} times in a row without a new checkpoint"
            message = f"the nodes failed {times}; at last {account}"
            raise OstinatoError(Problem("training", message, hint="their last lines in the log tell more"))
        log.warning("%s; starting again from the last checkpoint (%d of %d)", account, crashes, spec.max_retries)
        nodes.stop(job.name)
        transfer.remove(job.errors)
        nodes.start(job)


def _wait(nodes: Nodes, job: NodeJob, interruption: Interruption) -> str | None:
    """Until the job has ended, was deleted, or this process is told to end; its last status.

    Raises:
        ConfigError, DataError: a node reported it. A cluster would start that node again, and again.
    """
    while True:
        status = nodes.status(job.name)
        for uri in transfer.files(job.errors):
            with contextlib.suppress(ValueError):  # not every store shows a file only when it is whole; it soon is
                error = from_json(storage.read_bytes(uri))
                if not isinstance(error, Interrupted):
                    raise error
        if status in (COMPLETE, FAILED, None) or interruption:
            return status
        nodes.pass_on(job.name)
        time.sleep(_POLL_S)


def _fetch(job: Job, model_folder: str, learning_curves_path: str) -> None:
    """Copies the results from the storage."""
    if f"{job.model_folder}/{WEIGHTS}" not in transfer.files(job.model_folder):
        raise OstinatoError(Problem(job.model_folder, f"the nodes ended well and left no {WEIGHTS}"))
    transfer.download(job.model_folder, model_folder)
    curves = Path(learning_curves_path)
    curves.parent.mkdir(parents=True, exist_ok=True)
    curves.write_bytes(storage.read_bytes(job.learning_curves_path))
