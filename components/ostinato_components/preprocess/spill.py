"""Canonical rows on disk between the two passes, one file a part, so that memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa


class Spill:
    """Rows in the order they were written; written first, then read as often as one likes."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.rows = 0
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, columns: list[pa.Array]) -> None:
        """Appends rows."""
        if self._writer is None:
            # The stream format lets every batch have its own dictionaries.
            self._writer = pa.ipc.new_stream(str(self.path), self.schema)
        batch = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def close(self) -> None:
        """Ends writing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the batches they were written in."""
        self.close()
        if not self.rows:
            return
        # Not memory-mapped: mapped pages would count as memory of this process.
        with pa.OSFile(str(self.path), "rb") as file, pa.ipc.open_stream(file) as reader:
            yield from reader
