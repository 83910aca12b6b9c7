"""An epoch over rows that stay on disk beside the same epoch over rows in memory: same network, same batches."""

from __future__ import annotations

import statistics
import tempfile
import time

import torch

from benchmarks import data
from benchmarks.measure import HEADER, row
from ostinato.dataset import DataFolder
from ostinato.load import load_config
from ostinato.trainer.loop import Trainer
from ostinato.trainer.processes import ALONE
from ostinato.trainer.progress import Quiet
from ostinato.trainer.rows import Rows, RowsInMemory
from ostinato.trainer.streamed_rows import StreamedRows
from ostinato_components import preprocess
from ostinato_components.train.assembly import make_trainer

BATCH = 1024


def rows(num_rows: int = 300_000, rounds: int = 5) -> list[str]:
    """Lines of the table of results."""
    plain = {
        "combiner": {"type": "concat", "num_fc_layers": 2, "output_size": 256, "batch_ensemble": False},
        "defaults": {"number": {"encoder": {"type": "passthrough"}}},
    }
    settings = {"batch_size": BATCH, "epochs": 1_000, "skip_all_evaluation": True}
    config = load_config(data.config(**settings) | plain).config
    names = [feature.name for feature in (*config.input_features, *config.output_features)]
    with tempfile.TemporaryDirectory() as folder:
        preprocess.run(data.table(num_rows), config, folder)
        shards = DataFolder(folder)
        count = shards.manifest.rows("training")

        def trainer(training: Rows) -> Trainer:
            return make_trainer(
                shards,
                config,
                training=training,
                validation=RowsInMemory.of(shards.no_rows(names)),
                seed=0,
                progress=Quiet(),
                processes=ALONE,
                checkpoints=None,
            )

        contestants = {
            "memory": trainer(RowsInMemory.read(shards, ["training"], names, ALONE, torch.device("cpu"))),
            # An eighth of the rows at once: every epoch reads all of them again.
            "streamed": trainer(StreamedRows(shards, ["training"], names, window_rows=count // 8)),
        }
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds + 1):
            for name, contestant in contestants.items():
                started = time.perf_counter()
                contestant.epoch()
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}
    ratio = medians["streamed"] / medians["memory"]
    found = f"{ratio:.2f} x ({medians['streamed']:.2f} s; in memory {medians['memory']:.2f} s)"
    what = f"epoch, {count:,} rows streamed from shards, an eighth in memory, over the same rows in memory"
    return [row(what, found, "at most 1.3 x", ratio <= 1.3)]


if __name__ == "__main__":
    print("\n".join([HEADER, *rows()]))
