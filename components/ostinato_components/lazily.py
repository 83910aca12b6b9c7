"""Names that a package gives without importing what is behind them.

Compiling a pipeline imports the package of every step, and needs none of Arrow, matplotlib and torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def exports(package: str, **modules: str) -> Callable[[str], Any]:
    """A package's `__getattr__`: each name comes from its module of the package, when it is first used."""

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return get
