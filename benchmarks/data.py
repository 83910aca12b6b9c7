"""Generated tables with something to learn: 10 numbers, 5 categories of 10 to 10,000, 2 binaries, 1 text, a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

DISTINCT = (10, 100, 1000, 5000, 10_000)
NUMBERS = [f"n{index}" for index in range(10)]
CATEGORIES = [f"c{index}" for index in range(len(DISTINCT))]
BINARIES = ["b0", "b1"]
TARGET = "y"
_WORDS = np.array([f"word{number}" for number in range(20_000)])
_PIECE = 50_000


def table(num_rows: int, *, text: bool = False, seed: int = 0) -> pa.Table:
    """Rows whose binary target depends on a number, a category and, where there is one, the text."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: np.round(random.normal(size=num_rows), 4) for name in NUMBERS}
    codes = {
        name: (random.random(num_rows) ** 2 * size).astype(int) for name, size in zip(CATEGORIES, DISTINCT, strict=True)
    }
    columns |= {
        name: np.array([f"value_{code}" for code in range(size)])[codes[name]]
        for name, size in zip(CATEGORIES, DISTINCT, strict=True)
    }
    columns |= {name: np.where(random.random(num_rows) < 0.3, "yes", "no") for name in BINARIES}
    score = columns["n0"] + (codes["c0"] % 3 - 1) + random.normal(size=num_rows)
    if text:
        lengths = random.integers(10, 31, num_rows)
        words = _WORDS[(random.random(int(lengths.sum())) ** 3 * len(_WORDS)).astype(int)]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(words))
        columns["t0"] = pa.compute.binary_join(lists, " ")
        score += (words[offsets[:-1]] < "word3") - 0.5
    columns[TARGET] = np.where(score > 0, "True", "False")
    return pa.table(columns)


def write_csv(path: Path, num_rows: int, *, text: bool = False) -> Path:
    """Rows as a CSV file, made piece by piece."""
    with path.open("wb") as file:
        for start in range(0, num_rows, _PIECE):
            piece = table(min(_PIECE, num_rows - start), text=text, seed=start)
            pa_csv.write_csv(piece, file, pa_csv.WriteOptions(include_header=start == 0, quoting_style="none"))
    return path


def config(*, text: bool = False, **trainer: object) -> dict[str, Any]:
    """The columns and nothing else: the default network."""
    inputs = [{"name": name, "type": "number"} for name in NUMBERS]
    inputs += [{"name": name, "type": "category"} for name in CATEGORIES]
    inputs += [{"name": name, "type": "binary"} for name in BINARIES]
    inputs += [{"name": "t0", "type": "text"}] if text else []
    return {
        "input_features": inputs,
        "output_features": [{"name": TARGET, "type": "binary"}],
        "trainer": dict(trainer),
    }
