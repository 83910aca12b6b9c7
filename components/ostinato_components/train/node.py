"""A process that trains on one of several nodes: `torchrun -m ostinato_components.train.node JOB ERRORS`."""

from __future__ import annotations

import logging
import os
import sys

from ostinato import storage
from ostinato.errors import OstinatoError
from ostinato_components.task import task, to_json
from ostinato_components.train.job import Job
from ostinato_components.train.worker import work

log = logging.getLogger("ostinato.train")


def main(job: str, errors: str) -> None:
    """Trains.

    Args:
        job: URI of the `Job` as JSON.
        errors: URI of a folder; an error of the user is left there, for whoever started the nodes.
    """
    rank = os.environ.get("RANK", "0")
    with task():
        log.info("rank %s of %s", rank, os.environ.get("WORLD_SIZE", "1"))
        try:
            work(Job.model_validate_json(storage.read_bytes(job)))
        except OstinatoError as error:
            storage.write_bytes_atomic(f"{errors}/{rank}.json", to_json(error).encode())
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
