"""Ostinato: declarative deep learning on Kubeflow.

from ostinato import Model
results = Model("config.yaml").train("data.csv")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Model", "__version__"]

if TYPE_CHECKING:
    from ostinato_pipelines.model import Model


def __getattr__(name: str) -> Any:
    # The public façade sits above the steps; it is named here and imported only when used, so `import ostinato`
    # loads nothing.
    if name == "Model":
        from ostinato_pipelines.model import Model

        return Model
    raise AttributeError(f"module 'ostinato' has no attribute {name!r}")
