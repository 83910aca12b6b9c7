"""Reads a data folder: encoded rows as numpy arrays by feature. N rows, T steps of a sequence."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ostinato import storage
from ostinato.artifacts import MANIFEST, METADATA, Manifest, Shard, SplitName
from ostinato.column import Fitted, column_of, read_fitted
from ostinato.config import Config
from ostinato.errors import DataError, Problem
from ostinato.shape import Shape

_CHUNK_BYTES = 1 << 20
_AGAIN = "run preprocessing again (`ostinato run --no_cache`)"


@dataclass(frozen=True)
class RowGroup:
    """What of a shard is read at once."""

    shard: Shard
    number: int
    """In the shard, from 0."""
    rows: int


class DataFolder:
    """What the step preprocess wrote: shards by split, statistics, manifest.

    Raises:
        DataError: the folder has no manifest, so it is no data folder or was not written to its end.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = str(folder).rstrip("/")
        self._known: set[str] = set()
        try:
            self.manifest = Manifest.model_validate_json(storage.read_bytes(f"{self.folder}/{MANIFEST}"))
        except (DataError, FileNotFoundError) as error:
            hint = "preprocessing writes it last: without it the folder is not whole"
            raise DataError(Problem(self.folder, f"is no data folder: it has no {MANIFEST}", hint=hint)) from error
        except ValidationError as error:
            where = f"{self.folder}/{MANIFEST}"
            raise DataError(Problem(where, "is no manifest that this version of Ostinato can read")) from error

    @cached_property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """By feature, what was fitted on the training rows, as JSON."""
        metadata: dict[str, dict[str, Any]] = json.loads(storage.read_bytes(f"{self.folder}/{METADATA}"))
        return metadata

    def fitted(self, config: Config) -> dict[str, Fitted]:
        """By feature of the config, what was fitted on the training rows."""
        return {spec.name: read_fitted(spec, self._entry(spec.name)) for spec in _features(config)}

    def shapes(self, config: Config) -> dict[str, Shape]:
        """By feature of the config, what a network must know of it."""
        fitted = self.fitted(config)
        return {spec.name: column_of(spec).shape(fitted[spec.name]) for spec in _features(config)}

    def read(self, split: SplitName, columns: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """All rows of a split: [N] or [N, T] by feature; all features where `columns` is None."""
        names = list(self.metadata) if columns is None else list(columns)
        rows = self.manifest.rows(split)
        result: dict[str, np.ndarray] = {}
        start = 0
        for part in self.iter(split, names):
            length = len(next(iter(part.values()))) if part else 0
            for name, values in part.items():
                if name not in result:
                    result[name] = np.empty((rows, *values.shape[1:]), values.dtype)
                result[name][start : start + length] = values
            start += length
        return result if rows else self.no_rows(names)

    def iter(self, split: SplitName, columns: Sequence[str] | None = None) -> Iterator[dict[str, np.ndarray]]:
        """The rows of a split in order, one row group (at most 65,536 rows) at a time."""
        names = list(self.metadata) if columns is None else list(columns)
        for shard in self.manifest.splits.get(split, ()):
            with self._parquet(shard, names) as parquet:
                for group in range(parquet.num_row_groups):
                    table = parquet.read_row_group(group, columns=names)
                    yield {name: _array(table.column(name)) for name in names}

    def row_groups(self, split: SplitName) -> list[RowGroup]:
        """The row groups of a split, in order."""
        return [
            RowGroup(shard, number, rows)
            for shard in self.manifest.splits.get(split, ())
            for number, rows in enumerate(shard.row_groups)
        ]

    def read_group(self, group: RowGroup, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """[N] or [N, T] by feature, the rows of one row group."""
        with self._parquet(group.shard, columns) as parquet:
            table = parquet.read_row_group(group.number, columns=list(columns))
            return {name: _array(table.column(name)) for name in columns}

    def no_rows(self, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """No rows of the columns, with the type and length that their rows have."""
        for split in self.manifest.splits:
            for group in self.row_groups(split)[:1]:
                return {name: values[:0] for name, values in self.read_group(group, columns).items()}
        return {name: np.empty(0, np.float32) for name in columns}

    @contextlib.contextmanager
    def _parquet(self, shard: Shard, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
        """An open shard that has the columns.

        Raises:
            DataError: it is missing, damaged or not the one that preprocessing wrote, or lacks a column.
        """
        path = shard.path if "://" in shard.path else f"{self.folder}/{shard.path}"
        with self._checked(shard, path) as stream:
            try:
                with pq.ParquetFile(stream) as parquet:
                    missing = [name for name in columns if name not in parquet.schema_arrow.names]
                    if missing:
                        raise DataError(Problem(name, f"is not among the columns of {self.folder}") for name in missing)
                    yield parquet
            except pa.ArrowInvalid as error:
                raise DataError(Problem(path, f"can't be read as Parquet: {error}", hint=_AGAIN)) from error

    def _checked(self, shard: Shard, path: str) -> IO[bytes]:
        """The shard as an open file; before its first use it is compared with what the manifest says of it."""
        try:
            stream = storage.open_file(path, "rb")
        except (FileNotFoundError, DataError) as error:
            raise DataError(Problem(path, "is missing: the data folder is not whole", hint=_AGAIN)) from error
        if path in self._known:
            return stream
        size = stream.seek(0, os.SEEK_END)
        if size != shard.bytes:
            stream.close()
            found = f"has {size:,} bytes, and the manifest says {shard.bytes:,}: it is damaged"
            raise DataError(Problem(path, found, hint=_AGAIN))
        stream.seek(0)
        # What lies in a bucket appeared there whole, and reading it twice would cost as much as training on it.
        if storage.is_local(path):
            hasher = hashlib.sha256()
            while chunk := stream.read(_CHUNK_BYTES):
                hasher.update(chunk)
            if hasher.hexdigest() != shard.sha256:
                stream.close()
                raise DataError(
                    Problem(path, "is not the file that the manifest names: its digest differs", hint=_AGAIN)
                )
            stream.seek(0)
        self._known.add(path)
        return stream

    def _entry(self, name: str) -> dict[str, Any]:
        if name not in self.metadata:
            raise DataError(Problem(name, f"is not among the features of {self.folder}"))
        return self.metadata[name]


def _features(config: Config) -> list[Any]:
    return [*config.input_features, *config.output_features]


def _array(column: pa.ChunkedArray) -> np.ndarray:
    """[N] numbers or fixed size lists -> [N] or [N, T]."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_fixed_size_list(array.type):
        values: np.ndarray = array.flatten().to_numpy()
        return values.reshape(-1, array.type.list_size)
    numbers: np.ndarray = array.to_numpy()
    return numbers
