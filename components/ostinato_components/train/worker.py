"""One process of a training, alone or one of several that torchrun starts: `python -m … JOB.json`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ostinato_components.task import task
from ostinato_components.train.job import RESULT, Job
from ostinato_components.train.supervised import follow_supervisor
from ostinato_components.train.training import train


def work(job: Job) -> None:
    """Trains; rank 0 writes the model, and its result where `OSTINATO_RESULT_FILE` says."""
    result = train(job)
    path = os.environ.get(RESULT)
    if path and os.environ.get("RANK", "0") == "0":
        Path(path).write_text(json.dumps(asdict(result)), encoding="utf-8")


def main(path: str) -> int:
    """Does the job of a file; the exit code."""
    follow_supervisor()
    try:
        with task():
            work(Job.model_validate_json(Path(path).read_text(encoding="utf-8")))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written; Python would spend seconds on taking torch apart, which a pod that is to go does not have.
    os._exit(code)
