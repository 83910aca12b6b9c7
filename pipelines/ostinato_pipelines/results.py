"""What the Python API and the commands give back, and the folder they write it to, named as Ludwig names them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from ostinato.artifacts import SPLIT_NAMES, Manifest, SplitName
from ostinato.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

History = dict[str, dict[str, list[float]]]
"""Output feature or `combined` -> metric -> its value at each evaluation."""


@dataclass(frozen=True)
class TrainingStats(Mapping[str, Any]):
    """The course of training, by split; a mapping, as Ludwig's is."""

    training: History
    validation: History
    test: History
    evaluation_frequency: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> TrainingStats:
        """From `training_statistics.json`."""
        value = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            training=value.get("training", {}),
            validation=value.get("validation", {}),
            test=value.get("test", {}),
            evaluation_frequency=value.get("evaluation_frequency", {}),
        )

    def __getitem__(self, key: str) -> Any:
        if key not in self.__dataclass_fields__:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


@dataclass(frozen=True)
class PreprocessedData:
    """Encoded rows in a folder of Parquet shards, which is "" where it was not kept.

    Unpacks into (training_set, validation_set, test_set, training_set_metadata); the sets are None if not kept.
    """

    folder: str
    manifest: Manifest
    training_set_metadata: dict[str, Any]

    def split(self, name: SplitName) -> pa.Table:
        """The encoded rows of a split as an Arrow table.

        Raises:
            ConfigError: they were not kept.
        """
        import pyarrow.parquet as pq

        if not self.folder:
            raise ConfigError("the encoded rows were not kept; skip_save_processed_input=False keeps them")

        tables = [pq.read_table(os.path.join(self.folder, shard.path)) for shard in self.manifest.splits.get(name, ())]
        return pa.concat_tables(tables) if tables else pa.table({})

    def __iter__(self) -> Iterator[Any]:
        for name in SPLIT_NAMES:
            yield self.split(name) if self.folder else None
        yield self.training_set_metadata


@dataclass(frozen=True)
class TrainingResults:
    """What `Model.train` gives. Unpacks into (train_stats, preprocessed_data, output_directory)."""

    train_stats: TrainingStats
    preprocessed_data: PreprocessedData
    output_directory: str
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield from (self.train_stats, self.preprocessed_data, self.output_directory)


@dataclass(frozen=True)
class ExperimentResults:
    """What `Model.experiment` gives. Unpacks into (eval_stats, train_stats, preprocessed_data, output_directory)."""

    eval_stats: dict[str, Any]
    train_stats: TrainingStats
    preprocessed_data: PreprocessedData
    output_directory: str
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield from (self.eval_stats, self.train_stats, self.preprocessed_data, self.output_directory)


@dataclass(frozen=True)
class EvaluationResults:
    """What `Model.evaluate` gives. Unpacks into (eval_stats, predictions, output_directory)."""

    eval_stats: dict[str, Any]
    predictions: pd.DataFrame | pa.Table | None
    output_directory: str
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield from (self.eval_stats, self.predictions, self.output_directory)


@dataclass(frozen=True)
class PredictionResults:
    """What `Model.predict` gives. Unpacks into (predictions, output_directory)."""

    predictions: pd.DataFrame | pa.Table
    output_directory: str
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        yield from (self.predictions, self.output_directory)


ReturnType = Literal["pandas", "arrow"]


def as_returned(table: pa.Table, return_type: ReturnType) -> pd.DataFrame | pa.Table:
    """The table itself, or as a pandas DataFrame."""
    if return_type == "arrow":
        return table
    frame: pd.DataFrame = table.to_pandas()
    return frame


def make_run_directory(output_directory: str, experiment_name: str, model_name: str) -> Path:
    """Makes `<output_directory>/<experiment_name>_<model_name>`, with `_1`, `_2`, … where that exists."""
    Path(output_directory).mkdir(parents=True, exist_ok=True)
    counter = 0
    while True:
        suffix = f"_{counter}" if counter else ""
        directory = Path(output_directory) / f"{experiment_name}_{model_name}{suffix}"
        try:
            directory.mkdir()
        except FileExistsError:
            counter += 1
        else:
            return directory


def write_json(path: Path, value: object) -> None:
    """Writes whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
