"""Binary values: words for true and false, or any two values, become 1 and 0. N rows."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Strict

from ostinato.column import Fitted, OutputColumn, Unparsable
from ostinato.counts import Counts, LabelStats
from ostinato.errors import DataError, Problem, did_you_mean, listing
from ostinato.features.binary.spec import BinaryInputSpec, BinaryOutputSpec
from ostinato.labels import DICTIONARY, label, labels
from ostinato.missing import Gaps, gaps_of_missing, missing
from ostinato.registry import implements
from ostinato.sample import RowNumbers
from ostinato.shape import Shape

TRUE_WORDS = ("true", "t", "yes", "y", "1")
FALSE_WORDS = ("false", "f", "no", "n", "0")


class BinaryFitted(Fitted):
    """Which values are false and true."""

    false_label: str
    """The value that is 0, as most training rows write it."""
    true_label: str
    """The value that is 1, as most training rows write it."""
    false_values: Annotated[tuple[str, ...], Strict(False)]
    """Every text that is 0; in lower case for words."""
    true_values: Annotated[tuple[str, ...], Strict(False)]
    """Every text that is 1; in lower case for words."""
    words: bool
    """Whether values are words for true and false, in whatever case."""
    counts: Annotated[tuple[int, int], Strict(False)]
    """Training rows of false and of true."""
    missing: int
    """Missing values."""
    fill: float
    """What stands for a missing value; -1 for a target."""

    @cached_property
    def lookup(self) -> pa.Array:
        """Values as Arrow, those for false first."""
        return pa.array((*self.false_values, *self.true_values), pa.string())


@implements(BinaryInputSpec, "data")
@implements(BinaryOutputSpec, "data")
class BinaryColumn(OutputColumn[LabelStats, BinaryFitted]):
    """A column of two values, to learn from or to predict."""

    stats_type = LabelStats
    fitted_type = BinaryFitted
    arrow_type = DICTIONARY

    def __init__(self, spec: BinaryInputSpec | BinaryOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing
        self.is_output = isinstance(spec, BinaryOutputSpec)

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] of any simple type -> [N] dictionary of text; which text is true is known after fitting."""
        return labels(raw, self.spec.name), Unparsable()

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> LabelStats:
        """Counts of [N] values."""
        return LabelStats(Counts.of(column), column.null_count)

    def fit(self, stats: LabelStats) -> BinaryFitted:
        """Which value is true: the usual word, `fallback_true_label`, or the last in order.

        Raises:
            DataError: more than two values; a target with one.
        """
        values, counts = stats.counts.most_common()
        lowered = [value.lower() for value in values]
        words = bool(values) and all(word in TRUE_WORDS + FALSE_WORDS for word in lowered)
        if not words and len(values) > 2:
            message = f"has {len(values)} values, not two: {listing((repr(value) for value in values), 10)}"
            raise DataError(Problem(self.spec.name, message, "two values, or words for true and false", _CATEGORY))
        if words:
            is_true = [word in TRUE_WORDS for word in lowered]
        else:
            is_true = [value == max(values, key=_order) for value in values]
        is_true = self._with_fallback(values, is_true)
        of_true = [(count, value) for count, value, true in zip(counts, values, is_true, strict=True) if true]
        of_false = [(count, value) for count, value, true in zip(counts, values, is_true, strict=True) if not true]
        if self.is_output and not (of_true and of_false):
            found = f"only '{values[0]}'" if values else "no values"
            message = f"has {found} among the training rows: nothing to learn"
            raise DataError(Problem(self.spec.name, message, "two values"))
        total = (sum(count for count, _ in of_false), sum(count for count, _ in of_true))
        swapped = words and bool(values) and is_true[0] != (lowered[0] in TRUE_WORDS)
        true_words, false_words = (FALSE_WORDS, TRUE_WORDS) if swapped else (TRUE_WORDS, FALSE_WORDS)
        true_label = of_true[0][1] if of_true else _opposite(of_false[0][1]) if of_false else "True"
        false_label = of_false[0][1] if of_false else _opposite(true_label)
        return BinaryFitted(
            false_label=false_label,
            true_label=true_label,
            false_values=false_words if words else tuple(value for _, value in of_false),
            true_values=true_words if words else tuple(value for _, value in of_true),
            words=words,
            counts=total,
            missing=stats.missing,
            fill=self._fill(total),
        )

    def _with_fallback(self, values: list[str], is_true: list[bool]) -> list[bool]:
        """Which values are true once `fallback_true_label` has been heard."""
        fallback = self.preprocessing.fallback_true_label
        if fallback is None or not values:
            return is_true
        wanted = label(fallback)
        places = [place for place, value in enumerate(values) if value.lower() == wanted.lower()]
        if wanted in values:
            places = [values.index(wanted)]
        if not places:
            message = f"fallback_true_label {fallback!r} is not among the values of the training rows"
            raise DataError(Problem(self.spec.name, message, listing(values, 10), did_you_mean(wanted, values)))
        return is_true if is_true[places[0]] else [not true for true in is_true]

    def _fill(self, counts: tuple[int, int]) -> float:
        match self.preprocessing.missing_value_strategy:
            case "fill_with_true":
                return 1.0
            case "fill_with_mode" | "bfill" | "ffill":
                return float(counts[1] > counts[0])
            case "fill_with_false":
                return 0.0
            case "drop_row":
                return -1.0 if self.is_output else 0.0

    def drops(self, column: pa.Array, fitted: BinaryFitted | None) -> np.ndarray | None:
        """[N] bool: missing values, where `drop_row` is their strategy."""
        if fitted is None and self.preprocessing.missing_value_strategy == "drop_row" and column.null_count:
            return missing(column)
        return None

    def gaps(self, column: pa.Array, fitted: BinaryFitted) -> Gaps | None:
        """Missing values, where they come from neighbours."""
        return gaps_of_missing(column, self.preprocessing.missing_value_strategy)

    def encode(self, column: pa.Array, fitted: BinaryFitted) -> np.ndarray:
        """[N] values -> [N] float32 of 0 and 1; a value that is neither counts as missing (a target: -1)."""
        texts = pc.utf8_lower(column.dictionary) if fitted.words else column.dictionary
        found = pc.index_in(texts, value_set=fitted.lookup).fill_null(-1).to_numpy()
        codes = np.append((found >= len(fitted.false_values)).astype(np.float32), np.float32(fitted.fill))
        codes[:-1][found < 0] = -1.0 if self.is_output else max(fitted.fill, 0.0)
        indices = column.indices.fill_null(len(codes) - 1) if column.null_count else column.indices
        encoded: np.ndarray = codes[indices.to_numpy()]
        return encoded

    def decode(self, encoded: np.ndarray, fitted: BinaryFitted) -> pa.Array:
        """[N] of 0 and 1 -> [N] booleans or text, as `predictions` gives them; -1 becomes null."""
        return _labelled(encoded > 0.5, fitted, encoded < 0)

    def shape(self, fitted: BinaryFitted) -> Shape:
        """Kind binary."""
        return Shape("binary", classes=(fitted.false_label, fitted.true_label), class_counts=fitted.counts)

    def warnings(self, fitted: BinaryFitted) -> list[str]:
        """A column without values, or with one."""
        false, true = fitted.counts
        if not false and not true:
            return [f"{self.spec.name}: no values among the training rows; the column says nothing"]
        if fitted.missing or (false and true):
            return []
        found = fitted.true_label if true else fitted.false_label
        return [f"{self.spec.name}: every training row has the same value, '{found}'"]

    def predictions(self, scores: np.ndarray, fitted: BinaryFitted) -> dict[str, pa.Array]:
        """[N] probabilities of true -> prediction, its probability, both probabilities as a list and one by one.

        The prediction is a boolean where the column says true and false or 1 and 0; otherwise the value's own text.
        """
        assert isinstance(self.spec, BinaryOutputSpec), "an input is not predicted"
        name = self.spec.name
        is_true = scores >= self.spec.threshold
        both = np.stack([1 - scores, scores], axis=1)
        offsets = pa.array(np.arange(len(scores) + 1, dtype=np.int32) * 2)
        return {
            f"{name}_predictions": _labelled(is_true, fitted, np.zeros(len(scores), bool)),
            f"{name}_probability": pa.array(np.where(is_true, scores, 1 - scores)),
            f"{name}_probabilities": pa.ListArray.from_arrays(offsets, pa.array(both.reshape(-1))),
            f"{name}_probabilities_{fitted.false_label}": pa.array(np.ascontiguousarray(both[:, 0])),
            f"{name}_probabilities_{fitted.true_label}": pa.array(scores),
        }


_CATEGORY = "a column of several values is of type category"


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, before text in alphabetical order."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _opposite(value: str) -> str:
    """Name for the value that no training row has."""
    pairs = dict(zip(TRUE_WORDS + FALSE_WORDS, FALSE_WORDS + TRUE_WORDS, strict=True))
    other = pairs.get(value.lower(), f"not {value}")
    return other.capitalize() if value[:1].isupper() and value.lower() in pairs else other


def _labelled(is_true: np.ndarray, fitted: BinaryFitted, unknown: np.ndarray) -> pa.Array:
    """[N] bool -> [N] booleans (columns of true and false, or of 1 and 0) or the labels' text."""
    if (fitted.false_label.lower(), fitted.true_label.lower()) in (("false", "true"), ("0", "1")):
        return pa.array(is_true, mask=unknown)
    names = pa.array([fitted.false_label, fitted.true_label])
    return names.take(pa.array(is_true.astype(np.int8), mask=unknown))
