"""Categories: values of any simple type become text, then codes by falling frequency. N rows, K classes."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Strict

from ostinato.column import Fitted, OutputColumn, Unparsable, class_predictions
from ostinato.counts import Counts, LabelStats
from ostinato.errors import DataError, Problem
from ostinato.features.category.spec import CategoryInputSpec, CategoryOutputSpec
from ostinato.labels import DICTIONARY, label, labels
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape

UNKNOWN = "<UNK>"
"""Name of an input's code 0: values that are missing, rare, or not among the training rows."""


class CategoryFitted(Fitted):
    """The vocabulary of the training rows."""

    vocabulary: Annotated[tuple[str, ...], Strict(False)]
    """Values in the order of their codes: 1, 2 … for an input, 0, 1 … for an output."""
    counts: Annotated[tuple[int, ...], Strict(False)]
    """Training rows of each."""
    distinct: int
    """Values there are, those beyond `most_common` included."""
    missing: int
    """Missing values."""
    rare: int
    """Training rows whose value is not in the vocabulary."""
    error: int
    """What counts may be too low by; above 0 only beyond a million distinct values."""
    fill: int
    """Code that stands for a missing value."""

    @cached_property
    def lookup(self) -> pa.Array:
        """The vocabulary as Arrow."""
        return pa.array(self.vocabulary, pa.string())


@implements(CategoryInputSpec, "data")
@implements(CategoryOutputSpec, "data")
class CategoryColumn(OutputColumn[LabelStats, CategoryFitted]):
    """A column of categories, to learn from or to predict."""

    stats_type = LabelStats
    fitted_type = CategoryFitted
    arrow_type = DICTIONARY

    def __init__(self, spec: CategoryInputSpec | CategoryOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
        self.first_code = 0 if isinstance(spec, CategoryOutputSpec) else 1
        self.unknown = self.first_code - 1

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any simple type -> [N] dictionary of text; nothing is unparsable."""
        return labels(raw, self.spec.name, self.preprocessing.lowercase), Unparsable()

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> LabelStats:
        """Counts of [N] values."""
        return LabelStats(Counts.of(column), column.null_count)

    def fit(self, stats: LabelStats) -> CategoryFitted:
        """The vocabulary: falling frequency, ties by name, at most `most_common`.

        Raises:
            DataError: a target with fewer than two classes; a fill value that is no class of a target.
        """
        settled = stats.counts.settled()
        vocabulary, counts = settled.most_common(self.preprocessing.most_common)
        if isinstance(self.spec, CategoryOutputSpec) and len(vocabulary) < 2:
            found = f"only the class '{vocabulary[0]}'" if vocabulary else "no values"
            message = f"has {found} among the training rows: nothing to learn"
            raise DataError(Problem(self.spec.name, message, "two classes or more"))
        return CategoryFitted(
            vocabulary=tuple(vocabulary),
            counts=tuple(counts),
            distinct=len(settled.values),
            missing=stats.missing,
            rare=settled.total() - sum(counts),
            error=settled.error,
            fill=self._fill(vocabulary),
        )

    def _fill(self, vocabulary: list[str]) -> int:
        """The code for missing values; what `bfill` and `ffill` leave gets the most frequent value."""
        strategy = self.preprocessing.missing_value_strategy
        if strategy in ("fill_with_mode", "bfill", "ffill"):
            return self.first_code if vocabulary else self.unknown
        if strategy != "fill_with_const" or self.preprocessing.fill_value == UNKNOWN:
            return self.unknown
        value = label(self.preprocessing.fill_value)
        value = value.lower() if self.preprocessing.lowercase else value
        return vocabulary.index(value) + self.first_code if value in vocabulary else self.unknown

    def drops(self, column: pa.Array, fitted: CategoryFitted | None) -> np.ndarray | None:
        """[N] bool: missing values where `drop_row` is their strategy; after fitting, rare classes of a target."""
        if fitted is None:
            drop = self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
            return missing(column) if drop else None
        if isinstance(self.spec, CategoryOutputSpec) and (fitted.rare or fitted.missing):
            unknown: np.ndarray = self.encode(column, fitted) == self.unknown
            return unknown
        return None

    def gaps(self, column: pa.Array, fitted: CategoryFitted) -> Gaps | None:
        """Missing values, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: CategoryFitted) -> np.ndarray:
        """[N] values -> [N] int32; 0 (an input) or -1 (a target) where the value is not in the vocabulary."""
        found = pc.index_in(column.dictionary, value_set=fitted.lookup).fill_null(-1)
        codes = np.append(found.to_numpy() + np.int32(self.first_code), np.int32(fitted.fill))
        # A missing value points behind the dictionary, at the fill code.
        indices = column.indices.fill_null(len(codes) - 1) if column.null_count else column.indices
        encoded: np.ndarray = codes.astype(np.int32, copy=False)[indices.to_numpy()]
        return encoded

    def decode(self, encoded: np.ndarray, fitted: CategoryFitted) -> pa.Array:
        """[N] codes -> [N] text; an unknown value becomes null."""
        places = encoded.astype(np.int64) - self.first_code
        return fitted.lookup.take(pa.array(places, mask=places < 0))

    def shape(self, fitted: CategoryFitted) -> Shape:
        """Kind code."""
        if isinstance(self.spec, CategoryOutputSpec):
            size = len(fitted.vocabulary)
            return Shape("code", vocab_size=size, classes=fitted.vocabulary, class_counts=fitted.counts)
        return Shape("code", vocab_size=len(fitted.vocabulary) + 1)

    def warnings(self, fitted: CategoryFitted) -> list[str]:
        """A column without values, with one value, with values that hardly repeat, or with too many to count."""
        name, found = self.spec.name, []
        if not fitted.vocabulary:
            found.append(f"{name}: no values among the training rows; the column says nothing")
        elif fitted.distinct == 1 and not fitted.missing:
            found.append(f"{name}: every training row has the same value, '{fitted.vocabulary[0]}'")
        elif fitted.counts[0] == 1 and fitted.distinct > 20:
            found.append(f"{name}: no value occurs twice; it looks like an identifier")
        if fitted.rare:
            kept = len(fitted.vocabulary)
            found.append(f"{name}: {fitted.rare} training rows have values beyond the {kept} most common")
        if fitted.error:
            found.append(f"{name}: more than a million values; counts may be up to {fitted.error} too low")
        return found

    def predictions(self, scores: np.ndarray, fitted: CategoryFitted) -> dict[str, pa.Array]:
        """[N, K] -> predicted class, its probability, all probabilities as a list and one by one."""
        return class_predictions(self.spec.name, scores, fitted.vocabulary)
