"""An epoch of our training loop beside a hand-written one: same network, same optimizer, same rows in memory.

100,000 rows of 10 numbers, 5 categories (10 to 10,000 values) and 2 binaries, batch 1024, combiner concat. The two
take turns, and medians are compared, so that a busy machine disturbs both alike. The hand-written one has the fused
Adam too; with the default one it is slower than ours.

    python benchmarks/train.py [--rows 100000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import HEADER, row
from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.model.ecd import ECD
from ostinato.shape import Shape
from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.loop import Trainer
from ostinato.trainer.progress import Quiet
from ostinato.trainer.rows import RowsInMemory

BATCH = 1024
SIZES = {"c0": 10, "c1": 100, "c2": 1000, "c3": 5000, "c4": 10000}
NUMBERS = [f"n{index}" for index in range(10)]
BINARIES = ["b0", "b1"]
WIDTH = 256
EMBEDDING = 50


def make_columns(num_rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {name: random.normal(size=num_rows).astype(np.float32) for name in NUMBERS}
    columns |= {name: random.integers(0, 2, num_rows).astype(np.float32) for name in BINARIES}
    columns |= {name: random.integers(0, size, num_rows).astype(np.int32) for name, size in SIZES.items()}
    columns["y"] = (columns["n0"] + columns["b0"] + random.normal(size=num_rows) > 0).astype(np.float32)
    return columns


class HandWritten(nn.Module):
    """What one would write for this table."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size + 1, min(size + 1, EMBEDDING)) for size in SIZES.values())
        width = len(NUMBERS) + len(BINARIES) + sum(min(size + 1, EMBEDDING) for size in SIZES.values())
        self.body = nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        vectors = [embedding(codes[:, index]) for index, embedding in enumerate(self.embeddings)]
        logits: Tensor = self.head(self.body(torch.cat([numbers, *vectors], dim=1))).squeeze(1)
        return logits


def hand_written(columns: dict[str, np.ndarray]) -> tuple[nn.Module, Callable[[], None]]:
    """The network and a function that trains it for one epoch."""
    torch.manual_seed(0)
    network = HandWritten()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    numbers = torch.from_numpy(np.stack([columns[name] for name in NUMBERS + BINARIES], axis=1))
    codes = torch.from_numpy(np.stack([columns[name] for name in SIZES], axis=1)).long()
    targets = torch.from_numpy(columns["y"])

    def epoch() -> None:
        network.train()
        for index in torch.randperm(len(targets)).split(BATCH):
            loss = F.binary_cross_entropy_with_logits(network(numbers[index], codes[index]), targets[index])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimizer.step()

    return network, epoch


def ours(
    columns: dict[str, np.ndarray], checkpoints: Checkpoints | None = None
) -> tuple[nn.Module, Callable[[], None]]:
    """The network of a config and a function that trains it for one epoch; it is not evaluated, as above."""
    config = Config.model_validate(
        {
            "input_features": [
                *({"name": name, "type": "number", "encoder": {"type": "passthrough"}} for name in NUMBERS),
                *({"name": name, "type": "binary", "encoder": {"type": "passthrough"}} for name in BINARIES),
                *(
                    {"name": name, "type": "category", "encoder": {"type": "dense", "embedding_size": EMBEDDING}}
                    for name in SIZES
                ),
            ],
            "output_features": [{"name": "y", "type": "binary"}],
            "combiner": {
                "type": "concat",
                "num_fc_layers": 2,
                "output_size": WIDTH,
                "dropout": 0.0,
                "norm": None,
                "batch_ensemble": False,
            },
            "trainer": {
                "batch_size": BATCH,
                "epochs": 1000,
                "skip_all_evaluation": True,
                "optimizer": {"type": "adam"},
                "gradient_clipping": {"clipglobalnorm": 0.5},
            },
        }
    )
    shapes = {name: Shape("number") for name in NUMBERS} | {name: Shape("binary") for name in BINARIES}
    shapes |= {name: Shape("code", vocab_size=size + 1) for name, size in SIZES.items()}
    shapes["y"] = Shape("binary", classes=("False", "True"), class_counts=(1, 1))
    torch.manual_seed(0)
    model = ECD(config, shapes)
    rows = RowsInMemory.of(columns)
    nothing = RowsInMemory.of({name: column[:0] for name, column in columns.items()})
    trainer = Trainer(
        model,
        config,
        {"y": Fitted()},
        training=rows,
        validation=nothing,
        seed=0,
        progress=Quiet(),
        checkpoints=checkpoints,
    )
    return model, trainer.epoch


def rows(num_rows: int = 100_000, rounds: int = 7) -> list[str]:
    """Lines of the table of results."""
    columns = make_columns(num_rows)
    contestants = {"hand-written": hand_written(columns), "ours": ours(columns)}
    sizes = {sum(parameter.numel() for parameter in network.parameters()) for network, _ in contestants.values()}
    assert len(sizes) == 1, "the same network on both sides"
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, (_, epoch) in contestants.items():
            started = time.perf_counter()
            epoch()
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}
    ratio = medians["ours"] / medians["hand-written"]
    found = (
        f"{ratio:.2f} x ({num_rows / medians['ours']:,.0f} rows/s; by hand {num_rows / medians['hand-written']:,.0f})"
    )
    what = f"epoch, tabular, in memory: {num_rows:,} rows, batch {BATCH:,}, concat, over a loop written by hand"
    return [row(what, found, "at most 1.15 x", ratio <= 1.15)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print("\n".join([HEADER, *rows(arguments.rows, arguments.rounds)]))


if __name__ == "__main__":
    main()
