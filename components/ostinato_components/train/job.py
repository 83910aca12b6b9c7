"""What a process that trains is asked to do: plain values, so that it may be started anywhere."""

from __future__ import annotations

from ostinato.spec import Spec

RESULT = "OSTINATO_RESULT_FILE"
"""Environment variable: where the worker of rank 0 writes its `TrainResult` as JSON."""
HEARTBEAT = "OSTINATO_HEARTBEAT_FILE"
"""Environment variable: a file that the worker of rank 0 touches about once a second while it gets on."""


class Job(Spec):
    """One training, as every process of it sees it."""

    data_folder: str
    """What the step preprocess wrote; a path or URI that every process can read."""
    config: str
    """The config as canonical JSON."""
    model_folder: str
    """Where the model goes; a path or URI. Written by rank 0."""
    seed: int = 42
    """Seed of the weights, of dropout and of the order of the rows."""
    checkpoints: str = ""
    """URI of the folder below which checkpoints go, under a key of config and data; empty for none."""
    resume: bool = True
    """Whether to go on from a checkpoint that is there; else it is removed first."""
    learning_curves_path: str = ""
    """File for the learning curves; empty for `learning_curves.html` in the model folder."""
    skip_save_progress: bool = False
    """Writes the model at the end only."""
    skip_save_log: bool = False
    """Writes no learning curves to the model folder."""
