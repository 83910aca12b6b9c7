from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato.schema import ColumnSchema, Schema
    from ostinato_components.infer_schema.step import run

__all__ = ["ColumnSchema", "Schema", "run"]
__getattr__ = exports(__name__, ColumnSchema="step", Schema="step", run="step")
