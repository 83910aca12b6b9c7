"""The step `export`: a folder that takes raw rows and gives predictions, and is known to agree with the model."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ostinato import __version__, storage
from ostinato.artifacts import (
    BUNDLE,
    HYPERPARAMETERS,
    LOCK,
    MANIFEST,
    METADATA,
    ONNX,
    SPLIT_NAMES,
    TRAINING_STATISTICS,
    WEIGHTS,
)
from ostinato.bundle import Bundle, BundleColumn, BundleOutput, Parity
from ostinato.dataset import DataFolder
from ostinato.errors import DataError, Problem
from ostinato.predictor import OnnxNetwork, Predictor, TorchNetwork
from ostinato.publishing import published
from ostinato_components.export import network as onnx_network
from ostinato_components.export.network import NoOnnx, onnx_names
from ostinato_components.export.parity import TOLERANCE, check, differences, raw_differences, raw_rows

README = "README.md"
ROWS = 1000
"""Rows on which bundle and model are compared."""
_COPIED = (HYPERPARAMETERS, METADATA, WEIGHTS, TRAINING_STATISTICS, MANIFEST, LOCK)

logger = logging.getLogger("ostinato.export")


@dataclass(frozen=True)
class ExportResult:
    """What the export step made."""

    folder: str
    bundle: Bundle
    warnings: tuple[str, ...] = ()


def run(
    model_folder: str, data_folder: str, bundle_folder: str, *, rows: int = ROWS, require_onnx: bool = False
) -> ExportResult:
    """Writes a bundle: the model, its transform of raw rows, the network as ONNX, checksums. Whole or not at all.

    A network that can't be said in ONNX makes a bundle without `model.onnx`; `bundle.json` says why, and the bundle
    works with torch.

    Args:
        model_folder: path or URI that the train step wrote.
        data_folder: path or URI that the preprocess step wrote; rows of it check the bundle.
        bundle_folder: path or URI; a folder that holds something else than a bundle is left alone.
        rows: that are compared.
        require_onnx: whether a network that can't be said in ONNX is an error.

    Raises:
        ParityError: bundle and model disagree; says where and how far.
        DataError: a folder is no model, or the target folder is in use or can't be written.
    """
    model_folder = model_folder.rstrip("/")
    # On the CPU, as ONNX Runtime: a GPU's sums differ by more.
    model = Predictor.load(model_folder, device="cpu")
    encoded = sample_rows(data_folder, list(model.inputs), rows)
    with published(bundle_folder.rstrip("/")) as folder:
        for name in _COPIED:
            if storage.exists(f"{model_folder}/{name}"):
                storage.download(f"{model_folder}/{name}", str(folder / name))
        bundle = _with_network(describe(model), model, encoded, folder)
        if bundle.no_onnx and require_onnx:
            raise DataError(Problem(model_folder, f"the network can't be said in ONNX: {bundle.no_onnx}"))
        (folder / README).write_text(readme(bundle), encoding="utf-8")
        bundle = bundle.model_copy(update={"files": _digests(folder)})
        (folder / BUNDLE).write_text(bundle.model_dump_json(indent=2) + "\n", encoding="utf-8")
        # The bundle as it will be read, checksums and all.
        reloaded = Predictor.load(str(folder), "torch" if bundle.no_onnx else "onnx", device="cpu")
        found = raw_differences(reloaded, model, raw_rows(model, encoded))
        check(found, "the bundle's prediction of raw rows")
    warnings = (f"there is no {ONNX}, so the bundle needs torch: {bundle.no_onnx}",) if bundle.no_onnx else ()
    for warning in warnings:
        logger.warning("warning: %s", warning)
    if bundle.parity is not None:
        for name, difference in bundle.parity.differences.items():
            logger.info("%s: bundle and model agree to %.2g on %d rows", name, difference, bundle.parity.rows)
    return ExportResult(bundle_folder, bundle, warnings)


def sample_rows(data_folder: str, names: list[str], rows: int) -> dict[str, np.ndarray]:
    """The first encoded rows of the test split, or of the next best one that has any, by input.

    Raises:
        DataError: there are none.
    """
    data = DataFolder(data_folder)
    for split in reversed(SPLIT_NAMES):
        if data.manifest.rows(split):
            batch = next(data.iter(split, names))
            return {name: column[:rows] for name, column in batch.items()}
    raise DataError(Problem(data_folder, "has no rows to check the bundle with"))


def describe(model: Predictor) -> Bundle:
    """What `bundle.json` says of the inputs and outputs."""
    inputs = onnx_names(list(model.inputs))
    outputs = onnx_names([f"{name}_scores" for name in model.outputs], taken=list(inputs.values()))
    return Bundle(
        ostinato_version=__version__,
        inputs=tuple(
            BundleColumn(column=spec.source, feature=spec.name, type=spec.type, onnx=inputs[spec.name])
            for spec in model.config.input_features
        ),
        outputs=tuple(
            BundleOutput(
                feature=spec.name,
                type=spec.type,
                columns=tuple(model.output_columns(spec.name)),
                onnx=outputs[f"{spec.name}_scores"],
            )
            for spec in model.config.output_features
        ),
        files={},
    )


def _with_network(bundle: Bundle, model: Predictor, encoded: dict[str, np.ndarray], folder: Path) -> Bundle:
    """Writes `model.onnx` and compares it; where that can't be, the bundle says why."""
    assert isinstance(model.network, TorchNetwork)
    names = {column.feature: column.onnx for column in bundle.inputs}
    outputs = [output.onnx for output in bundle.outputs]
    try:
        onnx_network.write_onnx(model.network.model, encoded, folder / ONNX, names, outputs)
    except NoOnnx as error:
        return bundle.model_copy(update={"no_onnx": str(error)})
    exported = OnnxNetwork((folder / ONNX).read_bytes(), bundle)
    found = differences(exported.scores(encoded), model.network.scores(encoded))
    check(found, f"the score of {ONNX}")
    num_rows = len(next(iter(encoded.values())))
    return bundle.model_copy(update={"parity": Parity(rows=num_rows, tolerance=TOLERANCE, differences=found)})


def readme(bundle: Bundle) -> str:
    """How to use the bundle."""
    inputs = "\n".join(f"| `{column.column}` | {column.type} |" for column in bundle.inputs)
    outputs = "\n".join(
        f"- {output.feature}: " + ", ".join(f"`{name}`" for name in output.columns) for output in bundle.outputs
    )
    kind = "torch" if bundle.no_onnx else "onnx"
    note = f"There is no `{ONNX}`: {bundle.no_onnx}" if bundle.no_onnx else "No torch is needed."
    return f"""# A model, ready to predict

Takes raw rows, gives predictions. Written by Ostinato {bundle.ostinato_version}.

```python
import pyarrow as pa
from ostinato.predictor import Predictor

predictor = Predictor.load("path/of/this/folder", network="{kind}")
predictions = predictor.predict(pa.table({{...}}))  # one column for each input below
```

{note} On the command line: `ostinato predict --model_path path/of/this/folder --dataset new.csv`.

| column | type |
|---|---|
{inputs}

Predictions:

{outputs}

`bundle.json` describes all of this for programs and holds the checksums of the files, which loading verifies.
"""


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
