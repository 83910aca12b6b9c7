"""What a process sets before torch is imported: GPUs, logging."""

from __future__ import annotations

import argparse
import logging
import os


def set_up(arguments: argparse.Namespace) -> None:
    """Logging at the level of `--logging_level`; the GPUs of `--gpus`."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("ostinato").setLevel(arguments.logging_level.upper())
    gpus = getattr(arguments, "gpus", None)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpus.strip() == "-1" else gpus
