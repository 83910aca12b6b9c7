from ostinato_components.infer_schema.schema import ColumnSchema, Schema
from ostinato_components.infer_schema.step import run

__all__ = ["ColumnSchema", "Schema", "run"]
