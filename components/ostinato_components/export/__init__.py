from ostinato_components.export.bundling import ExportResult, run
from ostinato_components.export.parity import ParityError

__all__ = ["ExportResult", "ParityError", "run"]
