"""Predictions as files, named as Ludwig names them, written as they come. N rows, K values of a list."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

PREDICTIONS = "predictions.parquet"
_ROWS = 65_536
"""Rows that are written at once: a row group of the Parquet file."""


def write_predictions(table: pa.Table, directory: Path, *, unprocessed: bool) -> None:
    """Writes the files of `saved`."""
    for _ in saved([table], directory, unprocessed=unprocessed):
        pass


def saved(tables: Iterable[pa.Table], directory: Path, *, unprocessed: bool) -> Iterator[pa.Table]:
    """The tables, which are one below the other in files once all are through; before that, no file is there.

    `predictions.parquet`; and each column as `<column>.csv`, with `unprocessed` as `<column>.npy` too. As Ludwig's, a
    CSV has no header and one line a row; lists, all of one length, become comma-separated values.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".predictions-") as name:
        folder = Path(name)
        files = _write(tables, folder)
        yield from files
        if unprocessed:
            _write_arrays(folder)
        # The Parquet file last: where it is, the others are.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == PREDICTIONS):
            os.replace(path, directory / path.name)


def _write(tables: Iterable[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """Writes Parquet and CSV."""
    import pyarrow.parquet as pq

    tables = iter(tables)
    first = next(tables)
    texts = [column.name for column in first.schema if pa.types.is_string(column.type)]
    # Probabilities hardly repeat: a dictionary of them is work for nothing.
    with pq.ParquetWriter(folder / PREDICTIONS, first.schema, use_dictionary=texts) as parquet:
        waiting = [first]
        yield first
        for table in tables:
            if sum(part.num_rows for part in waiting) >= _ROWS:
                _append(pa.concat_tables(waiting), folder, parquet)
                waiting = []
            waiting.append(table)
            yield table
        _append(pa.concat_tables(waiting), folder, parquet)


def _append(table: pa.Table, folder: Path, parquet: Any) -> None:
    parquet.write_table(table)
    for column, stem in _stems(table.column_names).items():
        # Opened for each piece: a column of many classes has more files than a process may have open.
        with (folder / f"{stem}.csv").open("ab") as file:
            _write_lines(_plain(table.column(column).combine_chunks()), file)


def _write_lines(column: pa.Array, file: IO[bytes]) -> None:
    import pyarrow.csv as pa_csv

    if pa.types.is_string(column.type):
        # Arrow would put quotes around every text.
        wants_quotes = pc.match_substring_regex(column, '[",\r\n]')
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
        lines = pc.binary_join_element_wise(pc.if_else(wants_quotes, quoted, column), "", "\n")
        # The values of an array of texts lie one behind the other.
        file.write(lines.buffers()[2] or b"")
        return
    if _is_list(column.type):
        rectangle = _rectangle(column)
        values = pa.table({str(place): rectangle[:, place] for place in range(rectangle.shape[1])})
    else:
        values = pa.table({"0": column})
    pa_csv.write_csv(values, file, pa_csv.WriteOptions(include_header=False, quoting_style="none"))


def _write_arrays(folder: Path) -> None:
    """Each column of the Parquet file as an array of numpy's, some rows at a time."""
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / PREDICTIONS) as parquet:
        num_rows = parquet.metadata.num_rows
        for column, stem in _stems(parquet.schema_arrow.names).items():

            def parts(column: str = column) -> Iterator[pa.Array]:
                return (_plain(batch.column(0)) for batch in parquet.iter_batches(_ROWS, columns=[column]))

            sample = _as_numpy(next(parts(), _plain(pa.array([], parquet.schema_arrow.field(column).type))))
            kind = sample.dtype
            if kind.kind == "U":
                longest = max((pc.max(pc.utf8_length(part)).as_py() or 0 for part in parts()), default=0)
                kind = np.dtype(f"<U{max(longest, 1)}")
            shape = (num_rows, *sample.shape[1:])
            if num_rows == 0:
                np.save(folder / f"{stem}.npy", np.empty(shape, kind))
                continue
            array = np.lib.format.open_memmap(folder / f"{stem}.npy", mode="w+", dtype=kind, shape=shape)
            start = 0
            for part in parts():
                array[start : start + len(part)] = _as_numpy(part)
                start += len(part)
            array.flush()


def _plain(column: pa.Array) -> pa.Array:
    """[N] lists of texts (predicted sets) -> [N] texts with spaces between; all else as it is."""
    is_texts = _is_list(column.type) and pa.types.is_string(column.type.value_type)
    return pc.binary_join(column, " ") if is_texts else column


def _as_numpy(column: pa.Array) -> Any:
    """[N] -> [N] of numbers, booleans or text; [N] lists -> [N, K]."""
    import numpy as np

    values = _rectangle(column) if _is_list(column.type) else column.to_numpy(zero_copy_only=False)
    return values.astype(np.str_) if values.dtype == object else values


def _stems(columns: Iterable[str]) -> dict[str, str]:
    """The name of each column's files, without ending; no two are the same."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        stem = column.replace(os.sep, "_")
        while stem in taken:
            stem += "_"
        stems[column] = stem
        taken.add(stem)
    return stems


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind))


def _rectangle(column: pa.Array) -> Any:
    """[N] lists of one length K -> [N, K]."""
    import numpy as np

    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(column), -1 if len(column) else 0)
