"""What a process sets before torch is imported: GPUs, logging, signals."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading


class PlainLines(logging.Formatter):
    """The message alone; what is a warning or worse says so."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


def set_up(arguments: argparse.Namespace) -> None:
    """Logging at the level of `--logging_level`; the GPUs of `--gpus`; SIGTERM acts as Ctrl-C does."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainLines())
    logger = logging.getLogger("ostinato")
    logger.handlers[:] = [handler]
    logger.setLevel(arguments.logging_level.upper())
    logger.propagate = False
    if threading.current_thread() is threading.main_thread():
        # What is half-written is removed on the way out, and the exit code is that of an interruption.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    gpus = getattr(arguments, "gpus", None)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpus.strip() == "-1" else gpus
