"""Preprocessing against its floor: pyarrow reading the CSV and writing Parquet. Time and peak memory.

    python -m benchmarks.preprocess [--rows 1000000] [--repeats 3] [--no-large]

Each measurement is a process of its own, start-up not counted; the two take turns, so that both see the same machine.
On a machine that does other work too, look at the CPU seconds, not at the ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pc

from benchmarks.measure import HEADER, row

DISTINCT = (10, 50, 200, 1000, 10_000)
WORDS = 20_000

MEASURED = """
import json, sys, time
from ostinato.resources import peak_memory
import pyarrow.csv, pyarrow.parquet
{prepare}
started, before = time.perf_counter(), time.process_time()
{work}
seconds, cpu = time.perf_counter() - started, time.process_time() - before
print(json.dumps([seconds, cpu, peak_memory()]))
"""
FLOOR = MEASURED.format(
    prepare="",
    work="pyarrow.parquet.write_table(pyarrow.csv.read_csv(sys.argv[1]), sys.argv[2] + '/floor.parquet')",
)
OURS = MEASURED.format(
    prepare="""
from ostinato.config import Config
from ostinato_components.preprocess import run
from ostinato.column import column_of
config = Config.model_validate_json(sys.argv[3])
[column_of(spec) for spec in (*config.input_features, *config.output_features)]
""",
    work="run(sys.argv[1], config, sys.argv[2] + '/ours')",
)


@dataclass(frozen=True)
class Measured:
    """Seconds and MB."""

    wall: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, CPU {self.cpu:.2f} s, {self.peak:.0f} MB"


def config(with_text: bool = False) -> str:
    inputs = [{"name": f"n{i}", "type": "number"} for i in range(10)]
    inputs += [{"name": f"c{i}", "type": "category"} for i in range(len(DISTINCT))]
    inputs += [{"name": "b0", "type": "binary"}]
    inputs += [{"name": "t", "type": "text"}] if with_text else []
    return json.dumps({"input_features": inputs, "output_features": [{"name": "b1", "type": "binary"}]})


def generate(path: Path, rows: int, with_text: bool = False) -> None:
    """Numbers, categories, binaries, and if asked for a text of 10 to 30 words, some far more frequent than others."""
    rng = np.random.default_rng(0)
    words = pa.array([f"word{number}" for number in range(WORDS)])
    with path.open("wb") as file:
        for start in range(0, rows, 100_000):
            length = min(100_000, rows - start)
            columns = {f"n{i}": np.round(rng.normal(10 * i, 1 + i, length), 4) for i in range(10)}
            for i, distinct in enumerate(DISTINCT):
                names = np.array([f"value_{code}" for code in range(distinct)])
                columns[f"c{i}"] = names[(rng.random(length) ** 2 * distinct).astype(int)]
            columns["b0"] = np.where(rng.random(length) < 0.3, "yes", "no")
            columns["b1"] = np.where(rng.random(length) < 0.5, "True", "False")
            if with_text:
                ends = np.concatenate([[0], np.cumsum(rng.integers(10, 31, length))]).astype(np.int32)
                codes = (rng.random(ends[-1]) ** 3 * WORDS).astype(np.int32)
                texts = pa.ListArray.from_arrays(pa.array(ends), words.take(pa.array(codes)))
                columns["t"] = pa.compute.binary_join(texts, " ")
            pc.write_csv(pa.table(columns), file, pc.WriteOptions(include_header=start == 0, quoting_style="none"))


def measure(code: str, *arguments: str) -> Measured:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return Measured(wall, cpu, peak / 1e6)


def best(measured: list[Measured]) -> Measured:
    return min(measured, key=lambda one: one.wall)


def rows(num_rows: int = 1_000_000, repeats: int = 3, large: bool = True) -> list[str]:
    """Lines of the table of results."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.csv")
        small: list[Measured] = []
        for with_text, goal in ((True, 4.0), (False, 2.0)):
            generate(data, num_rows, with_text)
            floors, small = [], []
            for _ in range(repeats):
                floors.append(measure(FLOOR, str(data), folder))
                small.append(measure(OURS, str(data), folder, config(with_text)))
            floor, mine = best(floors), best(small)
            ratio = mine.wall / floor.wall
            columns = "18 columns, one a text of 10-30 words" if with_text else "17 columns, no text"
            what = f"preprocess of {num_rows:,} rows of CSV, {columns}, against pyarrow reading it and writing Parquet"
            lines.append(row(what, f"{ratio:.2f} x ({mine}; floor {floor})", f"{goal:g} x", ratio <= goal))
        if large:
            generate(data, 10 * num_rows)
            tenfold = measure(OURS, str(data), folder, config())
            ratio = tenfold.wall / best(small).wall
            lines.append(row("time with 10 x the rows", f"{ratio:.2f} x ({tenfold})", "10.5 x", ratio <= 10.5))
            ratio = tenfold.peak / max(one.peak for one in small)
            lines.append(row("peak memory with 10 x the rows", f"{ratio:.2f} x", "1.1 x", ratio <= 1.1))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-large", action="store_true", help="leave out the run on ten times the rows")
    options = parser.parse_args()
    print("\n".join([HEADER, *rows(options.rows, options.repeats, not options.no_large)]))


if __name__ == "__main__":
    main()
