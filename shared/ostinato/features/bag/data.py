"""Bags: symbols without an order, each as often as it occurs. N rows."""

from __future__ import annotations

from ostinato.features.bag.spec import BagInputSpec
from ostinato.registry import implements
from ostinato.symbols.data import SetSymbolsColumn


@implements(BagInputSpec, "data")
class BagColumn(SetSymbolsColumn):
    """A column of bags to learn from."""

    is_distinct = False

    def __init__(self, spec: BagInputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
