"""All benchmarks, one after another; writes benchmarks/RESULTS.md. Wants a quiet machine and about ten minutes.

    python -m benchmarks [--data FOLDER] [--output FILE]

FOLDER holds NAME.parquet with a column `split` (see benchmarks/quality.py); without it the sets of scikit-learn serve.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
from pathlib import Path

import torch

from benchmarks import preprocess, quality, startup, train
from benchmarks.measure import HEADER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with NAME.parquet for the figures of quality")
    parser.add_argument("--output", default=str(Path(__file__).with_name("RESULTS.md")))
    options = parser.parse_args()
    sections = [
        ("Waiting", startup.rows()),
        ("Preprocessing", preprocess.rows()),
        ("Training", train.rows()),
        ("Quality of the default config, on the test rows, seed 42", quality.rows(options.data)),
    ]
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` on {os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, Python "
        f"{platform.python_version()}, {datetime.date.today().isoformat()}. Ratios: side by side, one run.",
    ]
    for title, rows in sections:
        lines += ["", f"## {title}", "", HEADER, *rows]
    Path(options.output).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
