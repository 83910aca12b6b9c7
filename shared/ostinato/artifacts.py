"""What steps hand to each other: plain folders of Parquet, JSON and safetensors, described by small manifests.

data folder    manifest.json · training_set_metadata.json · preprocessing_statistics.json
               {training,validation,test}-00000.parquet …
model folder   model_hyperparameters.json · training_set_metadata.json · model_weights.safetensors
               training_statistics.json · training_progress.json · manifest.json (the data it was trained on)
               lock.json (all that it came of)
bundle folder  a model folder and model.onnx · bundle.json
"""

from __future__ import annotations

from typing import Any, Literal

from ostinato.spec import NonNegativeInt, Spec

SplitName = Literal["training", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("training", "validation", "test")

MANIFEST = "manifest.json"
METADATA = "training_set_metadata.json"
PREPROCESSING_STATISTICS = "preprocessing_statistics.json"
HYPERPARAMETERS = "model_hyperparameters.json"
WEIGHTS = "model_weights.safetensors"
TRAINING_STATISTICS = "training_statistics.json"
TRAINING_PROGRESS = "training_progress.json"
LOCK = "lock.json"
BUNDLE = "bundle.json"
ONNX = "model.onnx"


class Shard(Spec):
    """One Parquet file of encoded rows."""

    path: str
    """Relative to the manifest, or a URI."""
    rows: NonNegativeInt
    """Number of rows."""
    bytes: NonNegativeInt
    """Size of the file."""
    sha256: str
    """Digest of the file."""
    row_groups: tuple[NonNegativeInt, ...]
    """Rows of each row group, in order."""


class Manifest(Spec):
    """What a data folder holds. Columns of a shard are named by feature; sequences are fixed size lists."""

    format_version: int = 1
    """Version of this file's layout."""
    ostinato_version: str
    """Version of the library that wrote it."""
    source: str
    """URI of the data that was read."""
    source_digest: str
    """Digest of the data's content."""
    config_digest: str
    """Digest of the part of the config that preprocessing reads."""
    seed: int = 42
    """Seed of the split and the sampling."""
    split: dict[str, Any] | None = None
    """The split in force, which may come from a column of the data; null where each split had a file of its own."""
    splits: dict[SplitName, tuple[Shard, ...]]
    """The shards of each split, in order."""
    dropped_rows: dict[str, int] = {}
    """Rows that were left out, by reason."""
    unparsable: dict[str, dict[str, Any]] = {}
    """By column: values that could not be read (`count`, `samples`)."""
    warnings: tuple[str, ...] = ()
    """What a person should know of the data."""

    def rows(self, split: SplitName) -> int:
        """Number of rows of a split."""
        return sum(shard.rows for shard in self.splits.get(split, ()))
