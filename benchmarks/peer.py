"""Against Ludwig on this machine: the same commands, files and configs to both, who take turns; the best of each.

A machine whose speed varies by a third from minute to minute would otherwise decide.

`command` is what comes before Ludwig's arguments, such as `/venv/bin/ludwig` or `chroot ROOT /venv/bin/ludwig`. The
folder with data and configs must have the same path for both: bind it into a chroot. A second is one of the wall clock;
an epoch is the difference between a long and a short training, so start-up and preprocessing fall out.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import data, startup
from benchmarks.measure import Measured, measure, row

OSTINATO = [sys.executable, "-m", "ostinato_pipelines.cli"]


@dataclass(frozen=True)
class Contestant:
    """A program that takes Ludwig's commands, and the folder that it writes to."""

    command: Sequence[str]
    folder: Path
    overrides: Sequence[str] = ()
    """What the config of both does not say because one of them does not know it."""

    def run(self, *arguments: str) -> Measured:
        return measure([*self.command, *arguments], cwd=str(self.folder))

    def train(self, config: dict[str, Any], source: Path, epochs: int) -> Measured:
        """A training of so many epochs; the model is in `folder/EPOCHS`."""
        file = self.folder / f"config{epochs}.json"
        # YAML, which both read, has JSON in it.
        file.write_text(json.dumps(config | {"trainer": config["trainer"] | {"epochs": epochs}}))
        flags = ["--config", str(file), "--dataset", str(source), "--output_directory", str(self.folder / str(epochs))]
        changed = [part for override in self.overrides for part in ("--override", override)]
        return self.run("train", *flags, "--skip_save_processed_input", *changed)


def rows(command: str, scratch: str) -> Iterator[str]:
    """Lines of the table of results, each when it is measured; the data lie below `scratch`."""
    folder = Path(scratch).resolve()
    names = ("ostinato", "peer")
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    overrides = ("combiner.batch_ensemble=false", "combiner.dropout=0.0", "trainer.refit=false")
    ours = Contestant(OSTINATO, folder / names[0], overrides)
    theirs = Contestant(shlex.split(command), folder / names[1])
    yield preprocess_row(ours, theirs, folder)
    yield from tabular_rows(ours, theirs, folder)
    yield text_row(ours, theirs, folder)
    yield iris_row(ours, theirs, folder)


def preprocess_row(ours: Contestant, theirs: Contestant, folder: Path) -> str:
    source = data.write_csv(folder / "million.csv", 1_000_000, text=True)
    config = folder / "preprocess.json"
    config.write_text(json.dumps(explicit(text=True)))
    flags = ["--preprocessing_config", str(config), "--dataset", str(source)]

    def preprocess(contestant: Contestant) -> Measured:
        # The peer would find what it made in the round before.
        for made in source.parent.glob(f"{source.stem}.*"):
            if made != source:
                made.unlink()
        return contestant.run("preprocess", *flags)

    mine, other = taking_turns(preprocess, ours, theirs)
    return compared("preprocess 1,000,000 rows with text", mine, other, 20, 1 / 8)


def tabular_rows(ours: Contestant, theirs: Contestant, folder: Path) -> Iterator[str]:
    source = data.write_csv(folder / "tabular.csv", 100_000)
    mine, other = epochs(explicit(), source, 1, 21, ours, theirs, rounds=3)
    yield compared("epoch of 70,000 tabular rows, concat", mine, other, 1.3)

    def predict(contestant: Contestant) -> Measured:
        model = contestant.folder / "1" / "experiment_run" / "model"
        written = contestant.folder / "predicted"
        return contestant.run(
            "predict", "--model_path", str(model), "--dataset", str(source), "--output_directory", str(written)
        )

    mine, other = taking_turns(predict, ours, theirs)
    yield compared("predict 100,000 rows by the command line", mine, other, 4)


def text_row(ours: Contestant, theirs: Contestant, folder: Path) -> str:
    source = data.write_csv(folder / "text.csv", 100_000, text=True)
    mine, other = epochs(explicit(text=True), source, 1, 2, ours, theirs, rounds=2)
    return compared("epoch of 70,000 rows with text, parallel_cnn", mine, other, 1.5)


def iris_row(ours: Contestant, theirs: Contestant, folder: Path) -> str:
    config, source = startup.write_iris(folder)
    flags = ["--config", config, "--dataset", source]
    mine, other = taking_turns(lambda contestant: contestant.run("train", *flags), ours, theirs, rounds=3)
    return compared("train on iris from start to end, each by its own defaults", mine, other, 3)


def taking_turns(
    run: Callable[[Contestant], Measured], ours: Contestant, theirs: Contestant, *, rounds: int = 2
) -> tuple[Measured, Measured]:
    """The fastest run of each."""
    runs = [(run(ours), run(theirs)) for _ in range(rounds)]
    mine, other = (min(side, key=lambda measured: measured.wall_s) for side in zip(*runs, strict=True))
    return mine, other


def epochs(
    config: dict[str, Any], source: Path, few: int, many: int, ours: Contestant, theirs: Contestant, *, rounds: int
) -> tuple[Measured, Measured]:
    """What one more epoch takes each; the peak is that of the whole training."""

    def train(count: int) -> tuple[Measured, Measured]:
        return taking_turns(lambda contestant: contestant.train(config, source, count), ours, theirs, rounds=rounds)

    sides = zip(train(few), train(many), strict=True)
    mine, other = (
        Measured((long.wall_s - short.wall_s) / (many - few), (long.cpu_s - short.cpu_s) / (many - few), long.peak_mb)
        for short, long in sides
    )
    return mine, other


def explicit(*, text: bool = False) -> dict[str, Any]:
    """A network that both build alike, however their defaults differ."""
    config = data.config(text=text, batch_size=1024, early_stop=-1, learning_rate=0.001, optimizer={"type": "adam"})
    encoders = {
        "number": {"type": "passthrough"},
        "binary": {"type": "passthrough"},
        "category": {"type": "dense", "embedding_size": 50},
        "text": {"type": "parallel_cnn"},
    }
    for feature in config["input_features"]:
        feature["encoder"] = encoders[feature["type"]]
        if feature["type"] == "text":
            feature["preprocessing"] = {"tokenizer": "space", "max_sequence_length": 32}
    return config | {"combiner": {"type": "concat", "num_fc_layers": 2, "output_size": 256}}


def compared(what: str, mine: Measured, other: Measured, times: float, memory: float = 1 / 2) -> str:
    faster, share = other.wall_s / mine.wall_s, mine.peak_mb / other.peak_mb
    found = (
        f"{faster:.1f} x faster ({mine.wall_s:.2f} s; peer {other.wall_s:.2f} s), "
        f"{share:.2f} x the memory ({mine.peak_mb:,.0f} MB; peer {other.peak_mb:,.0f} MB)"
    )
    goal = f"at least {times:g} x, memory at most 1/{1 / memory:.0f}"
    return row(f"against the peer: {what}", found, goal, faster >= times and share <= memory)
