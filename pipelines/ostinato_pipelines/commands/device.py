"""What a process sets before torch is imported: GPUs, logging."""

from __future__ import annotations

import argparse
import logging
import os
import sys


class PlainLines(logging.Formatter):
    """The message alone; what is a warning or worse says so."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


def set_up(arguments: argparse.Namespace) -> None:
    """Logging at the level of `--logging_level`; the GPUs of `--gpus`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainLines())
    logger = logging.getLogger("ostinato")
    logger.handlers[:] = [handler]
    logger.setLevel(arguments.logging_level.upper())
    logger.propagate = False
    gpus = getattr(arguments, "gpus", None)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpus.strip() == "-1" else gpus
