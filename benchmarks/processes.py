"""Two processes beside one, each with one thread: rows a second of a network that computes more than it tells."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import data
from benchmarks.measure import HEADER, row
from ostinato.load import canonical_json, load_config, render
from ostinato_components import preprocess

PROGRAM = """
import json, sys
from ostinato.load import from_json
from ostinato_components import train
result = train.run(sys.argv[1], from_json(sys.argv[2]), sys.argv[3])
print(json.dumps(result.rows_per_s))
"""


def rows(num_rows: int = 160_000, rounds: int = 4) -> list[str]:
    """Lines of the table of results."""
    network = {"combiner": {"type": "concat", "num_fc_layers": 3, "output_size": 1024, "batch_ensemble": False}}
    raw = data.config(batch_size=2048, epochs=1, skip_all_evaluation=True) | network
    with tempfile.TemporaryDirectory() as folder:
        preprocess.run(data.table(num_rows), load_config(raw).config, f"{folder}/data")
        speeds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(rounds):
            for count, measured in speeds.items():
                config = load_config(raw | {"backend": {"trainer": {"num_workers": count}}}).config
                measured.append(rows_per_s(folder, canonical_json(render(config)), f"{folder}/model{count}"))
    one, two = statistics.median(speeds[1]), statistics.median(speeds[2])
    found = f"{two / one:.2f} x ({two:,.0f} rows/s; one process {one:,.0f})"
    what = "2 processes over 1, data-parallel, one thread each, layers of 1,024"
    return [row(what, found, "at least 1.7 x", two / one >= 1.7)]


def rows_per_s(folder: str, config: str, model: str) -> float:
    """Of a training in a process of its own; start-up is not counted."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(folder, "data")), config, model],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    print("\n".join([HEADER, *rows()]))
