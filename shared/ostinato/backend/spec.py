"""Where and by how many processes the work is done: the section `backend`. Nothing here changes what is learned."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic import model_validator

from ostinato.backend.kubernetes.spec import KubernetesSpec
from ostinato.spec import Later, NonNegativeInt, Positive, PositiveInt, Spec, clash


class PreprocessingBackendSpec(Spec):
    """How preprocessing is spread over a cluster."""

    shards: NonNegativeInt = 0
    """Tasks that analyze and encode parts of the data side by side in a compiled pipeline; 0 for one step that does it
    all. The result is the same to the last byte."""


class TrainerBackendSpec(Spec):
    """How training is spread over processes and machines, and what happens when one of them goes away."""

    later: ClassVar[frozenset[str]] = frozenset({"fsdp_config", "deepspeed_config"})
    """Settings of strategies."""

    strategy: Annotated[Literal["ddp", "fsdp"], Later(frozenset({"deepspeed", "accelerate"}))] = "ddp"
    """How several processes share a model: `ddp` gives each a copy, `fsdp` each a part of every weight."""
    num_workers: PositiveInt | Literal["auto"] = "auto"
    """Processes on each machine; `auto` for one a GPU, and one where there is none."""
    num_nodes: PositiveInt = 1
    """Machines; above 1 a compiled pipeline starts a TrainJob of Kubeflow Trainer, which needs `backend.storage`."""
    rows_in_memory: PositiveInt | Literal["auto"] = "auto"
    """Rows that may lie in memory on each process; `auto` for what fits into half of it. Where there are more, they are
    streamed from the shards, so many at a time (`auto`: a tenth of the memory), and shuffled within."""
    runtime: str = "torch-distributed"
    """Name of the cluster's training runtime that a TrainJob uses."""
    max_retries: NonNegativeInt = 3
    """Crashes in a row without a new checkpoint after which training gives up. Errors of config or data are never
    tried again; an interruption does not count."""
    checkpoint_interval_s: Positive = 60.0
    """Seconds between checkpoints; longer where writing one takes more than a fiftieth of that."""
    hang_timeout_s: Annotated[float, Ge(10.0)] = 1800.0
    """Seconds without a step after which a worker counts as hung, and is started again."""


class BackendSpec(Spec):
    """Where the work is done."""

    later: ClassVar[frozenset[str]] = frozenset({"cache_dir", "cache_format", "cache_credentials", "credentials"})
    """Caches of Ludwig's."""

    type: Annotated[Literal["local"], Later(frozenset({"dask", "horovod"}))] = "local"
    """Only `local`: the machine that runs the step; `ray` is read as `local`."""
    storage: str | None = None
    """URI of a folder, e.g. s3://bucket/ostinato, for what must outlive a pod or be seen by several: checkpoints, and
    the encoded rows, which then do not travel through the pipeline. Null keeps them with the step."""
    preprocessing: PreprocessingBackendSpec = PreprocessingBackendSpec()
    """How preprocessing is spread over a cluster."""
    trainer: TrainerBackendSpec = TrainerBackendSpec()
    """How training is spread over processes and machines."""
    kubernetes: KubernetesSpec = KubernetesSpec()
    """How the pods of a compiled pipeline are made, as far as the run form can't say it."""

    @model_validator(mode="after")
    def _tasks_meet_in_the_storage(self) -> BackendSpec:
        if self.preprocessing.shards and not self.storage:
            message = f"is empty, and the {self.preprocessing.shards} tasks of 'preprocessing.shards' meet there"
            raise clash("storage", message, "URI of a folder that all of them can write, e.g. s3://bucket/ostinato")
        return self
