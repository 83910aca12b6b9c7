"""How a column of the data becomes numbers and back: the one transform of training, evaluation and serving.

    raw Arrow ─parse→ canonical Arrow ─analyze→ Stats ─merge→ Stats ─fit→ Fitted
    canonical Arrow + Fitted ─encode→ numpy ─decode→ Arrow
    scores of a network + Fitted ─predictions→ Arrow columns, named as Ludwig names them

`parse` knows nothing of other rows. `Stats` is a monoid: the order and size of batches do not change the result.
`Fitted` is small and JSON; it is all that serving needs besides the config.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import numpy as np
import pyarrow as pa

from ostinato.features.spec import FeatureSpec, InputSpec, OutputSpec
from ostinato.missing import Gaps
from ostinato.registry import implementation
from ostinato.sample import RowNumbers
from ostinato.shape import Shape
from ostinato.spec import Spec


class Stats(ABC):
    """Mergeable statistics of some rows of a column. `Stats()` is the identity."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """Statistics of both parts together; associative and commutative."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """A value that `json` can write and `from_json` reads back exactly."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""


class Fitted(Spec):
    """What encoding, decoding and the network must know of the training rows. Frozen, JSON."""


@dataclass(frozen=True)
class Unparsable:
    """Values of a batch that could not be parsed; they became null."""

    count: int = 0
    samples: tuple[str, ...] = ()
    """At most five of them."""
    infinite: int = 0
    """Infinite numbers, which became null too and are not in `count`."""

    def __add__(self, other: Unparsable) -> Unparsable:
        samples = (self.samples + other.samples)[:5]
        return Unparsable(self.count + other.count, samples, self.infinite + other.infinite)


StatsT = TypeVar("StatsT", bound=Stats)
FittedT = TypeVar("FittedT", bound=Fitted)


class Column(ABC, Generic[StatsT, FittedT]):
    """A feature's side of the data; one subclass a feature type and direction."""

    stats_type: type[StatsT]
    fitted_type: type[FittedT]
    arrow_type: pa.DataType
    """Type that a reader of text should aim at."""

    @property
    def canonical_type(self) -> pa.DataType:
        """Type of what `parse` gives."""
        return self.arrow_type

    @abstractmethod
    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any Arrow type -> [N] canonical; a value that can't be read becomes null and is counted."""

    @abstractmethod
    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> StatsT:
        """Statistics of canonical values.

        `rows` are the numbers of the rows in the whole data (for sampling); an int is the first of consecutive ones.
        """

    @abstractmethod
    def fit(self, stats: StatsT) -> FittedT:
        """What encoding needs.

        Raises:
            DataError: nothing can be learned from such a column (all values missing, one class).
        """

    @abstractmethod
    def drops(self, column: pa.Array, fitted: FittedT | None) -> np.ndarray | None:
        """[N] bool, true where the row must be left out; None where none is.

        Without `fitted`: what is known before fitting (missing values and `drop_row`). With it, and for training
        rows only: what is known by then (outliers and `drop_row`, rare classes of a target).
        """

    @abstractmethod
    def gaps(self, column: pa.Array, fitted: FittedT) -> Gaps | None:
        """Which values come from neighbouring rows (`ffill`, `bfill`); None where none ever does."""

    @abstractmethod
    def encode(self, column: pa.Array, fitted: FittedT) -> np.ndarray:
        """[N] canonical -> [N] or [N, T], float32 or int32; null as the missing value strategy says."""

    @abstractmethod
    def decode(self, encoded: np.ndarray, fitted: FittedT) -> pa.Array:
        """The inverse of `encode`, but for what encoding loses (missing, rare, out of bounds)."""

    @abstractmethod
    def shape(self, fitted: FittedT) -> Shape:
        """What the network must know."""

    @abstractmethod
    def warnings(self, fitted: FittedT) -> list[str]:
        """What a person should know of the training rows; each starts with the feature's name."""


class OutputColumn(Column[StatsT, FittedT]):
    """A column that is predicted."""

    @abstractmethod
    def predictions(self, scores: np.ndarray, fitted: FittedT) -> dict[str, pa.Array]:
        """Scores of the network -> columns `<name>_predictions`, `<name>_probability`, … as Ludwig names them.

        Scores: number: [N] on the normalized scale; binary: [N] probability of true; category, set and
        category_distribution: [N, K] probabilities; vector: [N, T] numbers.
        """


def class_predictions(name: str, scores: np.ndarray, classes: Sequence[str]) -> dict[str, pa.Array]:
    """[N, K] probabilities -> predicted class, its probability, all probabilities as a list and one by one."""
    best = scores.argmax(axis=1)
    return {
        f"{name}_predictions": pa.array(classes, pa.string()).take(pa.array(best)),
        f"{name}_probability": pa.array(scores[np.arange(len(scores)), best]),
        **probabilities(name, scores, classes),
    }


def probabilities(name: str, scores: np.ndarray, classes: Sequence[str]) -> dict[str, pa.Array]:
    """[N, K] probabilities -> all of a row as a list, and one column for each class."""
    offsets = pa.array(np.arange(len(scores) + 1, dtype=np.int32) * scores.shape[1])
    columns = {f"{name}_probabilities": pa.ListArray.from_arrays(offsets, pa.array(scores.reshape(-1)))}
    for code, value in enumerate(classes):
        columns[f"{name}_probabilities_{value}"] = pa.array(np.ascontiguousarray(scores[:, code]))
    return columns


def input_column(spec: InputSpec) -> Column[Any, Any]:
    """The column of an input feature."""
    column: Column[Any, Any] = implementation(type(spec), "data")(spec)
    return column


def output_column(spec: OutputSpec) -> OutputColumn[Any, Any]:
    """The column of an output feature."""
    column: OutputColumn[Any, Any] = implementation(type(spec), "data")(spec)
    return column


def column_of(spec: FeatureSpec) -> Column[Any, Any]:
    """The column of any feature."""
    column: Column[Any, Any] = implementation(type(spec), "data")(spec)
    return column


def read_fitted(spec: FeatureSpec, value: Mapping[str, Any]) -> Fitted:
    """A feature's entry of `training_set_metadata.json` -> what `Column.fit` gave."""
    fitted: Fitted = column_of(spec).fitted_type.model_validate_json(json.dumps(value))
    return fitted
