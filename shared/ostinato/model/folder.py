"""Saves and loads a model folder: config, statistics, weights. See `artifacts` for the names of the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import safetensors
import torch
from safetensors.torch import load as read_tensors

from ostinato import __version__, storage
from ostinato.artifacts import HYPERPARAMETERS, METADATA, WEIGHTS
from ostinato.column import Fitted, column_of
from ostinato.config import Config
from ostinato.errors import DataError, Problem, listing
from ostinato.features.spec import FeatureSpec
from ostinato.load import canonical_json, from_json, render
from ostinato.model.ecd import ECD
from ostinato.model.tensor_file import tensor_file
from ostinato.shape import Shape

FORMAT_VERSION = "1"
_HEADER = "ostinato"
"""The one key of the header: safetensors writes several in an order that changes from run to run."""


def save_model(folder: str, weights: Mapping[str, torch.Tensor], config: Config, fitted: Mapping[str, Fitted]) -> None:
    """Writes config, statistics and weights into the folder (a path or URI); each file appears whole or not at all.

    The weights come last and carry the digests of the other two, so that a mixture of old and new is noticed.
    """
    folder = str(folder).rstrip("/")
    hyperparameters = json.dumps(render(config), indent=2, ensure_ascii=False).encode()
    statistics = {name: value.model_dump(mode="json") for name, value in fitted.items()}
    metadata = json.dumps(statistics, indent=2, ensure_ascii=False).encode()
    header = {
        "format_version": FORMAT_VERSION,
        "ostinato_version": __version__,
        "hyperparameters_sha256": hashlib.sha256(hyperparameters).hexdigest(),
        "metadata_sha256": hashlib.sha256(metadata).hexdigest(),
    }
    storage.write_bytes_atomic(f"{folder}/{HYPERPARAMETERS}", hyperparameters)
    storage.write_bytes_atomic(f"{folder}/{METADATA}", metadata)
    storage.write_bytes_atomic(f"{folder}/{WEIGHTS}", tensor_file(weights, {_HEADER: json.dumps(header)}))


def load_model(folder: str) -> tuple[Config, dict[str, Fitted], ECD]:
    """The config, what each column learned, and the network on the CPU, ready to predict.

    Raises:
        DataError: the folder is missing, incomplete, of another version, or its files don't belong together.
    """
    folder = str(folder).rstrip("/")
    files = _read_files(folder)
    tensors, header = _weights(folder, files[WEIGHTS])
    for name, key in ((HYPERPARAMETERS, "hyperparameters_sha256"), (METADATA, "metadata_sha256")):
        if header.get(key) != hashlib.sha256(files[name]).hexdigest():
            raise DataError(
                Problem(f"{folder}/{name}", f"is not the file that {WEIGHTS} was saved with", hint="train again")
            )
    config = from_json(canonical_json(json.loads(files[HYPERPARAMETERS])))
    statistics = json.loads(files[METADATA])
    specs: list[FeatureSpec] = [*config.input_features, *config.output_features]
    fitted = {spec.name: _fitted(spec, statistics) for spec in specs}
    shapes: dict[str, Shape] = {spec.name: column_of(spec).shape(fitted[spec.name]) for spec in specs}
    # The weights are read, not drawn: the caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        model = ECD(config, shapes)
    _fill(model, tensors, f"{folder}/{WEIGHTS}")
    return config, fitted, model.eval()


def _read_files(folder: str) -> dict[str, bytes]:
    names = (HYPERPARAMETERS, METADATA, WEIGHTS)
    missing = [name for name in names if not storage.exists(f"{folder}/{name}")]
    if missing:
        raise DataError(
            Problem(
                folder,
                f"is no model folder: {listing(missing)} {'is' if len(missing) == 1 else 'are'} missing",
                hint="give the folder `model` that training wrote",
            )
        )
    return {name: storage.read_bytes(f"{folder}/{name}") for name in names}


def _weights(folder: str, content: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the header."""
    where = f"{folder}/{WEIGHTS}"
    try:
        tensors = read_tensors(content)
    except safetensors.SafetensorError as error:
        raise DataError(Problem(where, f"can't be read: {error}", hint="the file is damaged; train again")) from error
    # The format: the length of the header in eight bytes, then the header as JSON.
    length = int.from_bytes(content[:8], "little")
    header: dict[str, str] = json.loads(json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(_HEADER, "{}"))
    version = header.get("format_version", "none")
    if version != FORMAT_VERSION:
        raise DataError(
            Problem(
                where, f"has the format version {version}", FORMAT_VERSION, "use the version of Ostinato it is from"
            )
        )
    return tensors, header


def _fitted(spec: FeatureSpec, statistics: Mapping[str, Any]) -> Fitted:
    fitted: Fitted = column_of(spec).fitted_type.model_validate(statistics[spec.name], strict=False)
    return fitted


def _fill(model: ECD, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Puts the weights into the model.

    Raises:
        DataError: the weights are those of another network; says which.
    """
    wanted = model.state_dict()
    problems = [Problem(where, f"'{name}' is missing") for name in wanted if name not in tensors]
    problems += [
        Problem(where, f"'{name}' is no weight of this config's network") for name in tensors if name not in wanted
    ]
    problems += [
        Problem(where, f"'{name}' has the shape {list(tensors[name].shape)}", str(list(tensor.shape)))
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if problems:
        raise DataError(problems[:20])
    model.load_state_dict(dict(tensors))
