"""Sequences: symbols in order. N rows."""

from __future__ import annotations

from ostinato.features.sequence.spec import SequenceInputSpec
from ostinato.registry import implements
from ostinato.symbols.data import SequenceSymbolsColumn


@implements(SequenceInputSpec, "data")
class SequenceColumn(SequenceSymbolsColumn):
    """A column of sequences to learn from."""

    def __init__(self, spec: SequenceInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
