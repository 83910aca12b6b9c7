"""Encoded rows as Parquet shards. N rows, T steps of a sequence."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.artifacts import Shard

ROW_GROUP = 65_536
"""Rows of a row group."""


def write_shard(path: Path, batches: Iterable[dict[str, np.ndarray]], group_rows: int = ROW_GROUP) -> Shard | None:
    """Writes rows, [N] or [N, T] by name, in row groups of a fixed number of rows; None, and no file, of no rows.

    The bytes do not depend on how the rows arrive. Writing goes on in a thread of its own while the next rows are
    encoded; at most two row groups wait.
    """
    groups: list[int] = []
    with _Digesting(path) as file, ThreadPoolExecutor(1) as thread:
        writer: pq.ParquetWriter | None = None
        pending: Future[None] | None = None
        try:
            for columns in _regrouped(batches, group_rows):
                table = pa.table({name: _arrow(values) for name, values in columns.items()})
                if writer is None:
                    # Codes and normalized numbers hardly compress; dictionaries and statistics help no reader.
                    writer = pq.ParquetWriter(
                        file, table.schema, compression="none", use_dictionary=False, write_statistics=False
                    )
                if pending is not None:
                    pending.result()
                pending = thread.submit(writer.write_table, table, ROW_GROUP)
                groups.append(table.num_rows)
            if pending is not None:
                pending.result()
        finally:
            if writer is not None:
                thread.shutdown(cancel_futures=True)
                writer.close()
    if not groups:
        path.unlink()
        return None
    return Shard(
        path=path.name, rows=sum(groups), bytes=file.size, sha256=file.hasher.hexdigest(), row_groups=tuple(groups)
    )


class _Digesting(io.RawIOBase):
    """A file that knows the size and the digest of what was written to it, so that nobody has to read it again."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.hasher = hashlib.sha256()
        self.size = 0
        self._file = path.open("wb")

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def write(self, content: Any) -> int:
        """Appends bytes."""
        written = self._file.write(content)
        self.hasher.update(content)
        self.size += written
        return written

    def close(self) -> None:
        """Ends writing."""
        if not self.closed:
            self._file.close()
        super().close()


def _regrouped(batches: Iterable[dict[str, np.ndarray]], rows: int) -> Iterable[dict[str, np.ndarray]]:
    """The same rows, in batches of so many; only the last may have fewer."""
    waiting: list[dict[str, np.ndarray]] = []
    count = 0
    for batch in batches:
        length = len(next(iter(batch.values())))
        start = 0
        while count + length - start >= rows:
            stop = start + rows - count
            waiting.append({name: values[start:stop] for name, values in batch.items()})
            yield _joined(waiting)
            waiting, count, start = [], 0, stop
        if start < length:
            waiting.append({name: values[start:] for name, values in batch.items()})
            count += length - start
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _arrow(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
