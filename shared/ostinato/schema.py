"""What `infer_schema` hands on: the columns and what they are."""

from __future__ import annotations

from typing import Literal

from ostinato.spec import NonNegativeInt, Spec


class ColumnSchema(Spec):
    """One column of the data."""

    name: str
    """Name in the data."""
    arrow_type: str
    """Type of the values, as Arrow calls it; for text formats the type that all values have."""
    type: str
    """Feature type: what the config says, else what the values look like."""
    inferred_type: str
    """Feature type that the values look like."""
    reason: str
    """Why they look like it."""
    role: Literal["input", "output", "split", "unused"] = "unused"
    """What the config does with the column."""
    nullable: bool
    """Whether values are missing."""
    distinct: NonNegativeInt
    """Number of distinct values."""
    distinct_is_exact: bool
    """Whether that is no estimate (of 1.6% standard error)."""
    left_out: str = ""
    """Why a suggested config would not learn from it; empty where it would."""
    flags: tuple[str, ...] = ()
    """What is special: constant, id-like, date-like, image-paths, audio-paths, nested, many-values."""


class Schema(Spec):
    """The columns of a data set."""

    format_version: int = 1
    """Version of this file's layout."""
    ostinato_version: str
    """Version of the library that wrote it."""
    source: str
    """URI of the data."""
    source_digest: str
    """Digest of the data's content."""
    rows: NonNegativeInt
    """Number of rows."""
    columns: tuple[ColumnSchema, ...]
    """The columns, in the order of the data."""
