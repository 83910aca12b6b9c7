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

    kind: Literal["number", "binary", "code", "sequence", "set", "vector", "distribution", "series", "fields"]
    """number: [N] float32; binary: [N] float32 of 0 and 1; code: [N] int32; sequence: [N, T] int32;
    set: [N, T] int32, the codes of a target, filled up with -1; vector: [N, T] float32;
    distribution: [N, T] float32, the probability of each class; series: [N, T] float32, filled up with NaN;
    fields: [N, T] int32, whole numbers whose meaning the feature type knows."""
    vocab_size: int = 0
    """Codes run from 0 to vocab_size - 1 (kinds code, sequence, set and distribution). For inputs 0 is the slot of
    unknown values."""
    length: int = 0
    """T."""
    padding_code: int = 0
    """Code that fills short sequences (kind sequence)."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their codes (outputs of kind code, binary, set and distribution)."""
    class_counts: tuple[int, ...] = ()
    """Training rows of each class (outputs of kind code, binary and set)."""
    rows: int = 0
    """Training rows with a value (outputs of kind set)."""
    scale: float = 1.0
    """Units of the column in one encoded unit, where the scale is linear (kind number)."""
    offset: float = 0.0
    """value = encoded * scale + offset, where the scale is linear (kind number)."""
    log1p: bool = False
    """value = exp(encoded) - 1 (kind number)."""
    num_targets: int = 1
    """Columns of the first output: its classes, or 1. What an input that encodes the target must know."""

    @property
    def num_scores(self) -> int:
        """Scores of a row that an output of this shape predicts: one for each class or number."""
        return {"number": 1, "binary": 1, "vector": self.length}.get(self.kind, self.vocab_size)

    @property
    def is_one_score(self) -> bool:
        """Whether scores are [N], not [N, num_scores]."""
        return self.kind in ("number", "binary")

    def encoded(self, value: float) -> float:
        """A value in the column's own units -> encoded units (kind number)."""
        if self.log1p:
            value = math.log1p(value) if value > -1 else -math.inf
        return (value - self.offset) / self.scale
