"""Batch prediction against its floor: the network alone, over rows that are encoded already.

Both in processes of their own that take turns; imports and loading the model are not counted, on neither side. Ours
reads CSV, parses, encodes, runs the network and writes all files that `ostinato predict` writes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import data
from benchmarks.measure import HEADER, measure, row

FLOOR = """
import json, sys, time
import numpy, torch
from ostinato.batches import open_source
from ostinato.predictor import Predictor
predictor = Predictor.load(sys.argv[1])
source = open_source(sys.argv[2])
encoded = [predictor.encode_inputs(batch) for batch in source.batches(predictor.columns(), predictor.types())]
rows = {name: torch.tensor(numpy.concatenate([part[name] for part in encoded])) for name in encoded[0]}
model = predictor.network.model
seconds = []
for size in (1024, 1024):
    started = time.perf_counter()
    with torch.inference_mode():
        for start in range(0, predictor.report.rows, size):
            model({name: column[start : start + size] for name, column in rows.items()})
    seconds.append(time.perf_counter() - started)
print(json.dumps(min(seconds)))
"""

OURS = """
import json, sys, time
from pathlib import Path
import pyarrow.csv, pyarrow.parquet
from ostinato.batches import open_source
from ostinato.predictor import Predictor
from ostinato_pipelines.prediction_files import saved
predictor = Predictor.load(sys.argv[1])
predictor.predict(next(iter(open_source(sys.argv[2]).batches(predictor.columns(), predictor.types()))).slice(0, 9))
started = time.perf_counter()
for _ in saved(predictor.predict_stream(open_source(sys.argv[2])), Path(sys.argv[3]), unprocessed=True):
    pass
print(json.dumps(time.perf_counter() - started))
"""


def seconds(code: str, *arguments: str) -> float:
    """What the program prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def rows(num_rows: int = 1_000_000, rounds: int = 3) -> list[str]:
    """Lines of the table of results."""
    from ostinato import Model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = data.table(50_000)
        Model(data.config(epochs=1, batch_size=1024)).train(table, output_directory=name, model_name="m")
        model = str(folder / "api_experiment_m" / "model")
        source = str(data.write_csv(folder / "rows.csv", num_rows))
        floors, ours = [], []
        for _ in range(rounds):
            floors.append(seconds(FLOOR, model, source))
            ours.append(seconds(OURS, model, source, str(folder / "predicted")))
        whole = measure(
            [sys.executable, "-m", "ostinato_pipelines.cli", "predict", "-m", model, "-d", source, "-od", name]
        )
    floor, mine = statistics.median(floors), statistics.median(ours)
    found = (
        f"{mine / floor:.2f} x ({mine:.1f} s; forward pass {floor:.1f} s; "
        f"the command from start to end {whole.wall_s:.1f} s, {whole.peak_mb:.0f} MB)"
    )
    what = f"predict, {num_rows:,} rows of CSV to Parquet, CSV and arrays, over a forward pass of the network"
    return [row(what, found, "at most 1.5 x", mine / floor <= 1.5)]


if __name__ == "__main__":
    print("\n".join([HEADER, *rows()]))
