"""The model in use: `champion.json` names it, `bundles/` holds it and those before it, each by its content.

<champion>/champion.json            the only file that is ever written again, by a swap
<champion>/bundles/<digest>/        a bundle that was promoted; stays, for the way back
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ostinato import __version__, storage
from ostinato.artifacts import BUNDLE
from ostinato.bundle import load_bundle
from ostinato.errors import ConfigError, DataError, Problem
from ostinato.predictor import Predictor
from ostinato.publishing import published
from ostinato.spec import Name, Spec

CHAMPION = "champion.json"


class Pointer(Spec):
    """What `champion.json` says."""

    format_version: Literal[1] = 1
    """Version of this file's layout."""
    bundle: Name
    """The bundle in use: below the folder of this file, or a URI."""
    ostinato_version: str = __version__
    """Version of the library that promoted it."""
    previous: str = ""
    """The bundle that was in use before; empty where there was none."""


class Champion:
    """The folder of the model in use, as it is now."""

    def __init__(self, folder: str) -> None:
        """Reads `champion.json`.

        Raises:
            ConfigError: the folder is a bundle itself.
            DataError: the pointer is damaged, or the store can't be reached.
        """
        self.folder = folder.rstrip("/")
        self.uri = f"{self.folder}/{CHAMPION}"
        self.content = storage.read_bytes(self.uri) if storage.exists(self.uri) else None
        """What the pointer holds; None where nothing was ever promoted."""
        self.pointer = None if self.content is None else _read(self.content, self.uri)
        if self.content is None and storage.exists(f"{self.folder}/{BUNDLE}"):
            hint = f"name a folder for {CHAMPION} and the bundles that it names"
            raise ConfigError(Problem("gate.champion", f"{self.folder} is a bundle itself", hint=hint))

    @property
    def bundle(self) -> str:
        """Where the bundle in use lies; empty where there is none."""
        if self.pointer is None:
            return ""
        name = self.pointer.bundle
        return name if "://" in name or name.startswith("/") else f"{self.folder}/{name}"

    def promote(self, bundle: str) -> str | None:
        """Puts a bundle in the place of the one in use; gives where it lies, None where another run was faster."""
        digest = hashlib.sha256(storage.read_bytes(f"{bundle}/{BUNDLE}")).hexdigest()[:16]
        name = f"bundles/{digest}"
        if self.pointer is not None and self.pointer.bundle == name:
            return f"{self.folder}/{name}"
        if not storage.exists(f"{self.folder}/{name}/{BUNDLE}"):
            with published(f"{self.folder}/{name}") as copy:
                for file in (BUNDLE, *load_bundle(bundle).files):
                    storage.download(f"{bundle}/{file}", str(Path(copy) / file))
        pointer = Pointer(bundle=name, previous=self.pointer.bundle if self.pointer else "")
        text = pointer.model_dump_json(indent=2) + "\n"
        return f"{self.folder}/{name}" if storage.swap_bytes(self.uri, self.content, text.encode()) else None


def load(bundle: str) -> Predictor:
    """The predictor of a bundle, as it serves: by ONNX, where it can be said so.

    Raises:
        DataError: the bundle is not whole, or this version can't read it.
    """
    return Predictor.load(bundle, "torch" if load_bundle(bundle).no_onnx else "onnx", device="cpu")


def _read(content: bytes, uri: str) -> Pointer:
    try:
        return Pointer.model_validate_json(content)
    except ValidationError as error:
        raise DataError(Problem(uri, "does not name a bundle", hint="it is written by the step gate")) from error
