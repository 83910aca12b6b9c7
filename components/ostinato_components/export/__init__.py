from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.export.bundling import ExportResult, run
    from ostinato_components.export.parity import ParityError

__all__ = ["ExportResult", "ParityError", "run"]
__getattr__ = exports(__name__, ExportResult="bundling", run="bundling", ParityError="parity")
