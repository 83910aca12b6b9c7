"""Preprocessing against its floor: pyarrow reading the CSV and writing Parquet. Time and peak memory.

    python benchmarks/preprocess.py [--rows 1000000] [--repeats 3] [--no-memory]

Each measurement is a process of its own, start-up not counted; the two take turns, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from benchmarks.measure import HEADER, row

DISTINCT = (10, 50, 200, 1000, 10_000)

FLOOR = """
import json, resource, sys, time
import pyarrow.csv, pyarrow.parquet
started = time.perf_counter()
table = pyarrow.csv.read_csv(sys.argv[1])
pyarrow.parquet.write_table(table, sys.argv[2] + "/floor.parquet")
print(json.dumps([time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""

OURS = """
import json, resource, sys, time
import pyarrow.csv, pyarrow.parquet
from ostinato.config import Config
from ostinato_components.preprocess import run
from ostinato.column import column_of
config = Config.model_validate_json(sys.argv[3])
[column_of(spec) for spec in (*config.input_features, *config.output_features)]
started = time.perf_counter()
manifest = run(sys.argv[1], config, sys.argv[2] + "/ours")
print(json.dumps([time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def config() -> str:
    inputs = [{"name": f"n{i}", "type": "number"} for i in range(10)]
    inputs += [{"name": f"c{i}", "type": "category"} for i in range(len(DISTINCT))]
    inputs += [{"name": "b0", "type": "binary"}]
    return json.dumps({"input_features": inputs, "output_features": [{"name": "b1", "type": "binary"}]})


def generate(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, 100_000):
            length = min(100_000, rows - start)
            columns = {f"n{i}": np.round(rng.normal(10 * i, 1 + i, length), 4) for i in range(10)}
            for i, distinct in enumerate(DISTINCT):
                names = np.array([f"value_{code}" for code in range(distinct)])
                columns[f"c{i}"] = names[(rng.random(length) ** 2 * distinct).astype(int)]
            columns["b0"] = np.where(rng.random(length) < 0.3, "yes", "no")
            columns["b1"] = np.where(rng.random(length) < 0.5, "True", "False")
            pc.write_csv(pa.table(columns), file, pc.WriteOptions(include_header=start == 0, quoting_style="none"))


def measure(code: str, *arguments: str) -> tuple[float, float]:
    """Seconds and MB."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kilobytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, kilobytes / 1024


def rows(num_rows: int = 1_000_000, repeats: int = 3, memory: bool = True) -> list[str]:
    """Lines of the table of results."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.csv")
        generate(data, num_rows)
        floors, ours = [], []
        for _ in range(repeats):
            floors.append(measure(FLOOR, str(data), folder))
            ours.append(measure(OURS, str(data), folder, config()))
        floor, mine = min(floors), min(ours)
        ratio = mine[0] / floor[0]
        found = f"{ratio:.2f} x ({mine[0]:.2f} s, {mine[1]:.0f} MB; floor {floor[0]:.2f} s, {floor[1]:.0f} MB)"
        what = f"preprocess of {num_rows:,} rows of CSV, against pyarrow reading it and writing Parquet"
        lines = [row(what, found, "3 x", ratio <= 3)]
        if memory:
            generate(data, 10 * num_rows)
            large = measure(OURS, str(data), folder, config())
            ratio = large[1] / max(peak for _, peak in ours)
            found = f"{ratio:.2f} x ({large[1]:.0f} MB; {large[0]:.1f} s)"
            lines.append(row("peak memory with 10 x the rows", found, "1.3 x", ratio <= 1.3))
        return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-memory", action="store_true", help="leave out the run on ten times the rows")
    options = parser.parse_args()
    print("\n".join([HEADER, *rows(options.rows, options.repeats, not options.no_memory)]))


if __name__ == "__main__":
    main()
