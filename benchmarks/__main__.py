"""All benchmarks, one after another; writes benchmarks/RESULTS.md. Wants a quiet machine and half an hour.

    python -m benchmarks [--only NAME …] [--data FOLDER] [--peer COMMAND [--scratch FOLDER]] [--output FILE]

FOLDER of --data holds NAME.parquet with a column `split` (see benchmarks/quality.py); without it the sets of
scikit-learn serve. COMMAND starts Ludwig (see benchmarks/peer.py). With --only nothing is written unless --output says
where.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch

from benchmarks import checkpoints, peer, predict, preprocess, processes, quality, startup, streamed, train
from benchmarks.measure import HEADER

Rows = Callable[[argparse.Namespace], Iterable[str]]


def peer_rows(options: argparse.Namespace) -> Iterator[str]:
    if options.peer is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from peer.rows(options.peer, options.scratch or folder)


SPEED: dict[str, Rows] = {
    "preprocess": lambda options: preprocess.rows(),
    "epoch": lambda options: train.rows(),
    "streamed": lambda options: streamed.rows(),
    "processes": lambda options: processes.rows(),
    "checkpoints": lambda options: checkpoints.rows(),
    "predict": lambda options: predict.rows(),
    "peer": peer_rows,
}
OTHERS: dict[str, tuple[str, Rows]] = {
    "startup": ("Waiting", lambda options: startup.rows()),
    "quality": (
        "Quality of the default config, on the test rows, seed 42",
        lambda options: quality.rows(options.data),
    ),
}
NO_PEER = """
Not compared with Ludwig: `python -m benchmarks --peer COMMAND`, where it is installed, adds that
(benchmarks/peer.py)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*SPEED, *OTHERS], help="these parts", metavar="NAME")
    parser.add_argument("--data", help="folder with NAME.parquet for the figures of quality")
    parser.add_argument("--peer", help="command that starts Ludwig")
    parser.add_argument("--scratch", help="folder for data and results of the peer, which sees it by the same path")
    parser.add_argument("--output", help="default: benchmarks/RESULTS.md")
    options = parser.parse_args()
    wanted = options.only or [*SPEED, *OTHERS]
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` on {os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, Python "
        f"{platform.python_version()}, {datetime.date.today().isoformat()}. Ratios: side by side, one run.",
    ]
    speed = [line for name, rows in SPEED.items() if name in wanted for line in told(name, rows(options))]
    if speed:
        lines += ["", "## Speed, memory, interruptions", "", HEADER, *speed]
    if "peer" in wanted and options.peer is None:
        lines += NO_PEER.splitlines()
    for name, (title, rows) in OTHERS.items():
        if name in wanted:
            lines += ["", f"## {title}", "", HEADER, *told(name, rows(options))]
    text = "\n".join(lines) + "\n"
    if options.output or not options.only:
        Path(options.output or Path(__file__).with_name("RESULTS.md")).write_text(text, encoding="utf-8")
    print(text)


def told(name: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines, which one can read while the rest is measured."""
    print(f"{name}:", flush=True)
    for line in lines:
        print(line, flush=True)
        yield line


if __name__ == "__main__":
    main()
