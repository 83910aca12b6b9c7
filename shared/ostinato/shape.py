"""What a network module must know of the data: a plain value, so that nothing of Arrow is needed to build one.

Legend for all docstrings of tensors: N rows, T steps of a sequence, D units, K classes, E ensemble members.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """What an encoded column looks like."""

    kind: Literal["number", "binary", "code", "sequence"]
    """number: [N] float32; binary: [N] float32 of 0 and 1; code: [N] int32; sequence: [N, T] int32."""
    vocab_size: int = 0
    """Codes run from 0 to vocab_size - 1 (kinds code and sequence). For inputs 0 is the slot of unknown values."""
    length: int = 0
    """T (kind sequence)."""
    padding_code: int = 0
    """Code that fills short sequences (kind sequence)."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their codes (outputs of kind code and binary)."""
    class_counts: tuple[int, ...] = ()
    """Training rows of each class (outputs of kind code and binary)."""
    scale: float = 1.0
    """Units of the column in one encoded unit, where the scale is linear (kind number)."""
    offset: float = 0.0
    """value = encoded * scale + offset, where the scale is linear (kind number)."""
    log1p: bool = False
    """value = exp(encoded) - 1 (kind number)."""
    num_targets: int = 1
    """Columns of the first output: its classes, or 1. What an input that encodes the target must know."""

    def encoded(self, value: float) -> float:
        """A value in the column's own units -> encoded units (kind number)."""
        if self.log1p:
            value = math.log1p(value) if value > -1 else -math.inf
        return (value - self.offset) / self.scale
