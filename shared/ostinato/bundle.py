"""What `bundle.json` says: a model folder that serves by itself, with checksums of its files."""

from __future__ import annotations

import hashlib
import json

from pydantic import ValidationError

from ostinato import storage
from ostinato.artifacts import BUNDLE
from ostinato.errors import DataError, Problem
from ostinato.spec import NonNegative, NonNegativeInt, Spec

FORMAT_VERSION = 1


class BundleColumn(Spec):
    """A column of the raw data that goes in."""

    column: str
    """Name of the column."""
    feature: str
    """Name of the input feature."""
    type: str
    """Type of the feature."""
    onnx: str = ""
    """Name of the network's input in `model.onnx`; empty without it."""


class BundleOutput(Spec):
    """A feature that is predicted."""

    feature: str
    """Name of the output feature."""
    type: str
    """Type of the feature."""
    columns: tuple[str, ...]
    """Columns of the predictions."""
    onnx: str = ""
    """Name of the network's output in `model.onnx`; empty without it."""


class Parity(Spec):
    """How far predictions of the bundle are from those of the model, on real rows."""

    rows: NonNegativeInt
    """Rows that were compared."""
    tolerance: NonNegative
    """Largest difference allowed, relative to the largest score of the output (at least 1)."""
    differences: dict[str, NonNegative]
    """By output: the largest difference found, on the same scale."""


class Bundle(Spec):
    """What `bundle.json` says."""

    format_version: int = FORMAT_VERSION
    """Version of this file's layout."""
    ostinato_version: str
    """Version of the library that wrote it."""
    inputs: tuple[BundleColumn, ...]
    """Columns that go in, in the order of the config."""
    outputs: tuple[BundleOutput, ...]
    """What comes out."""
    no_onnx: str = ""
    """Why there is no `model.onnx`; empty where there is one. The bundle works with torch then."""
    parity: Parity | None = None
    """The comparison of the ONNX network with torch's; null without ONNX."""
    files: dict[str, str]
    """SHA-256 of every other file of the bundle."""


def load_bundle(folder: str) -> Bundle:
    """What the bundle says of itself, its checksums verified.

    Raises:
        DataError: a file is missing or is not the one that was written; says all of them.
    """
    try:
        bundle = Bundle.model_validate_json(storage.read_bytes(f"{folder}/{BUNDLE}"), strict=False)
    except (ValidationError, json.JSONDecodeError) as error:
        raise DataError(Problem(f"{folder}/{BUNDLE}", "is not a bundle's description")) from error
    problems = []
    for name, digest in bundle.files.items():
        path = f"{folder}/{name}"
        try:
            found = hashlib.sha256(storage.read_bytes(path)).hexdigest()
        except DataError:
            problems.append(Problem(path, "is missing"))
            continue
        if found != digest:
            problems.append(Problem(path, "is not the file that the export step wrote (its checksum differs)"))
    if problems:
        raise DataError(problems)
    return bundle
