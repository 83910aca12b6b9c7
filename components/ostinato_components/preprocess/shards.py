"""Encoded rows as Parquet shards. N rows, T steps of a sequence."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.artifacts import Shard, SplitName

ROW_GROUP = 65_536
"""Rows of a row group."""


class ShardWriter:
    """Writes rows in row groups and files of a fixed number of rows, however they arrive; so bytes are the same.

    Writing goes on in a thread of its own while the next rows are encoded; at most two row groups wait.
    """

    def __init__(self, folder: Path, split: SplitName, shard_rows: int) -> None:
        assert shard_rows % ROW_GROUP == 0 or shard_rows < ROW_GROUP, "a shard holds whole row groups"
        self.folder = folder
        self.split = split
        self.shard_rows = shard_rows
        self.shards: list[Shard] = []
        self._group_rows = min(ROW_GROUP, shard_rows)
        self._waiting: list[dict[str, np.ndarray]] = []
        self._waiting_rows = 0
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._path = folder
        self._rows = 0
        self._row_groups: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._waiting_rows:
                    self._submit(self._take(self._waiting_rows))
                self._wait()
        finally:
            self._thread.shutdown(cancel_futures=True)
            if self._writer is not None:
                self._close()

    def write(self, columns: dict[str, np.ndarray]) -> None:
        """Appends rows: [N] or [N, T] by name."""
        rows = len(next(iter(columns.values())))
        self._waiting.append(columns)
        self._waiting_rows += rows
        while self._waiting_rows >= self._group_rows:
            self._submit(self._take(self._group_rows))

    def _take(self, rows: int) -> dict[str, np.ndarray]:
        """The first rows that wait."""
        names = list(self._waiting[0])
        whole = {
            name: np.concatenate([part[name] for part in self._waiting])
            if len(self._waiting) > 1
            else self._waiting[0][name]
            for name in names
        }
        rest = {name: values[rows:] for name, values in whole.items()}
        self._waiting_rows -= rows
        self._waiting = [rest] if self._waiting_rows else []
        return {name: values[:rows] for name, values in whole.items()}

    def _submit(self, columns: dict[str, np.ndarray]) -> None:
        self._wait()
        self._pending = self._thread.submit(self._write_group, columns)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _write_group(self, columns: dict[str, np.ndarray]) -> None:
        table = pa.table({name: _arrow(values) for name, values in columns.items()})
        if self._writer is None:
            self._path = self.folder / f"{self.split}-{len(self.shards):05d}.parquet"
            # Codes and normalized numbers hardly compress; dictionaries and statistics cost time and help no reader.
            self._writer = pq.ParquetWriter(
                str(self._path), table.schema, compression="none", use_dictionary=False, write_statistics=False
            )
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._rows += table.num_rows
        self._row_groups.append(table.num_rows)
        if self._rows >= self.shard_rows:
            self._close()

    def _close(self) -> None:
        assert self._writer is not None, "closed once"
        self._writer.close()
        self._writer = None
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = self._path.stat().st_size
        groups = tuple(self._row_groups)
        self.shards.append(Shard(path=self._path.name, rows=self._rows, bytes=size, sha256=digest, row_groups=groups))
        self._rows = 0
        self._row_groups = []


def _arrow(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
