"""Texts: cut into symbols, then codes by falling frequency. N rows."""

from __future__ import annotations

from ostinato.features.text.spec import TextInputSpec
from ostinato.registry import implements
from ostinato.symbols.data import SequenceSymbolsColumn


@implements(TextInputSpec, "data")
class TextColumn(SequenceSymbolsColumn):
    """A column of texts to learn from."""

    def __init__(self, spec: TextInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
