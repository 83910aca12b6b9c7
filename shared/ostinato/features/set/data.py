"""Sets: symbols without an order, each once. N rows, T symbols, K symbols of the vocabulary."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ostinato.column import OutputColumn, probabilities
from ostinato.errors import DataError, Problem
from ostinato.features.set.spec import SetInputSpec, SetOutputSpec
from ostinato.registry import implements
from ostinato.shape import Shape
from ostinato.symbols.data import FIRST_CODE, SetSymbolsColumn, SymbolFitted, SymbolStats

NONE = -1
"""What fills up the codes of a target."""


@implements(SetInputSpec, "data")
@implements(SetOutputSpec, "data")
class SetColumn(SetSymbolsColumn, OutputColumn[SymbolStats, SymbolFitted]):
    """A column of sets, to learn from or to predict."""

    is_distinct = True

    def __init__(self, spec: SetInputSpec | SetOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
        self.threshold = spec.threshold if isinstance(spec, SetOutputSpec) else None

    def fit(self, stats: SymbolStats) -> SymbolFitted:
        """The vocabulary and the number of codes of a value.

        Raises:
            DataError: a target without symbols.
        """
        fitted = super().fit(stats)
        if self.threshold is not None and len(fitted.vocabulary) == FIRST_CODE:
            raise DataError(Problem(self.spec.name, "has no symbols among the training rows: nothing to learn"))
        return fitted

    def encode(self, column: pa.Array, fitted: SymbolFitted) -> np.ndarray:
        """[N] lists -> [N, T] int32; of a target codes from 0 on, unknown symbols left out, filled up with -1."""
        codes = super().encode(column, fitted)
        return codes if self.threshold is None else np.maximum(codes - FIRST_CODE, NONE)

    def decode(self, encoded: np.ndarray, fitted: SymbolFitted) -> pa.Array:
        """[N, T] codes -> [N] symbols joined by spaces."""
        shift = 0 if self.threshold is None else FIRST_CODE
        return super().decode(np.where(encoded == NONE, 0, encoded + shift), fitted)

    def shape(self, fitted: SymbolFitted) -> Shape:
        """Kind sequence of an input, set of a target."""
        if self.threshold is None:
            return super().shape(fitted)
        classes = fitted.vocabulary[FIRST_CODE:]
        counts = fitted.counts[FIRST_CODE:]
        length, rows = fitted.length, fitted.rows
        return Shape("set", vocab_size=len(classes), length=length, classes=classes, class_counts=counts, rows=rows)

    def predictions(self, scores: np.ndarray, fitted: SymbolFitted) -> dict[str, pa.Array]:
        """[N, K] -> lists of predicted symbols, all probabilities as a list and one by one."""
        assert self.threshold is not None
        name = self.spec.name
        chosen = scores >= self.threshold
        offsets = pa.array(np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]), pa.int32())
        predicted = pa.ListArray.from_arrays(offsets, fitted.lookup.take(pa.array(chosen.nonzero()[1])))
        return {f"{name}_predictions": predicted, **probabilities(name, scores, fitted.vocabulary[FIRST_CODE:])}
