"""A bundle as MLflow loads it: `mlflow.pyfunc.load_model(uri).predict(frame)`, raw rows in, predictions out.

MLflow imports this module by its name (`loader_module`), so nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ostinato.artifacts import ONNX
from ostinato.predictor import Predictor


class BundleModel:
    """What MLflow calls."""

    def __init__(self, folder: str) -> None:
        """Raises DataError where the folder is no bundle."""
        self.predictor = Predictor.load(folder, "onnx" if Path(folder, ONNX).exists() else "torch")

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """A DataFrame of raw columns -> a DataFrame of predictions, row by row.

        Raises:
            DataError: a column is missing, or holds what it can't.
        """
        return self.predictor.predict(pa.Table.from_pandas(data, preserve_index=False)).to_pandas()


def _load_pyfunc(path: str) -> BundleModel:
    """The name that MLflow asks for."""
    return BundleModel(path)
