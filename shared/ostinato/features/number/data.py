"""Numbers: text, integers, decimals and booleans become float64, then float32 on the normalized scale. N rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ostinato.column import Fitted, OutputColumn, Stats, Unparsable
from ostinato.errors import DataError, Problem
from ostinato.features.number.spec import NumberInputSpec, NumberOutputSpec
from ostinato.labels import one_chunk
from ostinato.missing import Gaps, missing
from ostinato.moments import Moments
from ostinato.registry import implements
from ostinato.sample import RowNumbers, RowSample
from ostinato.shape import Shape

QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

_MISSING_WORDS = pa.array(
    ["", "-", "--", ".", "?", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nil", "missing"]
)
_INFINITE_WORDS = pa.array(["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"])
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
# A comma stands for thousands only in groups of three behind one to three digits: "1,5" is no number.
_THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$"

_LEAST_SCALE = 1e-30
"""A column that varies by less is constant: its scale has no place in float32."""


@dataclass(frozen=True)
class NumberStats(Stats):
    """Exact moments, bounds, and a uniform sample of the rows."""

    moments: Moments = field(default_factory=Moments)
    missing: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    sample: RowSample = field(default_factory=RowSample.empty)

    def merge(self, other: Self) -> Self:
        """Statistics of both."""
        return type(self)(
            self.moments.merge(other.moments),
            self.missing + other.missing,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.sample.merge(other.sample),
        )

    def to_json(self) -> dict[str, Any]:
        """Bounds are null where there is no number."""
        present = self.moments.count > 0
        return {
            "moments": self.moments.to_json(),
            "missing": self.missing,
            "minimum": self.minimum if present else None,
            "maximum": self.maximum if present else None,
            "sample": self.sample.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            Moments.from_json(value["moments"]),
            value["missing"],
            math.inf if value["minimum"] is None else value["minimum"],
            -math.inf if value["maximum"] is None else value["maximum"],
            RowSample.from_json(value["sample"]),
        )


class NumberFitted(Fitted):
    """Of the training rows: their statistics, and the scale that follows from them."""

    count: int
    """Numbers."""
    missing: int
    """Missing values."""
    mean: float
    """Mean."""
    std: float
    """Standard deviation of the population."""
    minimum: float
    """Least number."""
    maximum: float
    """Largest number."""
    mode: float
    """Most frequent number (of a sample of 16,384 rows, where there are more)."""
    quantiles: dict[str, float]
    """Level -> number (of that sample)."""
    offset: float
    """normalized = (value - offset) / scale."""
    scale: float
    """Units in one step of the normalized scale; 1 for a constant column."""
    log1p: bool
    """normalized = log(1 + value) instead."""
    fill: float
    """What stands for a missing value."""
    outlier_low: float | None
    """Values below are outliers; null where nothing is done about them."""
    outlier_high: float | None
    """Values above are outliers; null where nothing is done about them."""
    outlier_fill: float | None
    """What stands for an outlier; null where it stays (`drop_row` leaves the row out of training)."""


@implements(NumberInputSpec, "data")
@implements(NumberOutputSpec, "data")
class NumberColumn(OutputColumn[NumberStats, NumberFitted]):
    """A column of numbers, to learn from or to predict."""

    stats_type = NumberStats
    fitted_type = NumberFitted
    arrow_type = pa.float64()

    def __init__(self, spec: NumberInputSpec | NumberOutputSpec) -> None:
        self.spec = spec
        self.preprocessing = spec.preprocessing

    def parse(self, raw: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Unparsable]:
        """[N] -> [N] float64; "1,234.5" is 1234.5; infinity, "N/A" and the like are missing, "abc" is unparsable.

        Raises:
            DataError: the type can't hold numbers (times, lists).
        """
        array = one_chunk(raw)
        if pt.is_dictionary(array.type):
            values, unparsable = self.parse(array.dictionary)
            if unparsable.count or unparsable.infinite:  # counted by rows, not by distinct values
                return self.parse(array.cast(array.type.value_type))
            return values.take(array.indices), unparsable
        kind = array.type
        if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
            numbers, unparsable = _from_text(array.cast(pa.string()))
        elif pt.is_floating(kind) or pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind):
            numbers, unparsable = array.cast(pa.float64(), safe=False), Unparsable()
        elif pt.is_boolean(kind):
            numbers, unparsable = array.cast(pa.int8()).cast(pa.float64()), Unparsable()
        else:
            raise DataError(Problem(self.spec.name, f"holds values of type {kind}", "numbers, or text with numbers"))
        finite, infinite = _finite(numbers)
        return finite, Unparsable(unparsable.count, unparsable.samples, unparsable.infinite + infinite)

    def analyze(self, column: pa.Array, rows: int | RowNumbers) -> NumberStats:
        """Statistics of [N] numbers."""
        if column.null_count == 0:
            values = column.to_numpy()
            sample = RowSample.of(values, rows)
        else:
            present = ~missing(column)
            all_values = column.to_numpy(zero_copy_only=False)
            values = all_values[present]
            sample = RowSample.of(all_values, rows, present)
        if not len(values):
            return NumberStats(missing=len(column))
        moments = Moments.of(values)
        return NumberStats(moments, column.null_count, float(values.min()), float(values.max()), sample)

    def fit(self, stats: NumberStats) -> NumberFitted:
        """Scale, fill values and bounds of outliers.

        Raises:
            DataError: a target without numbers; log1p of numbers of -1 and below.
        """
        count, mean, std = stats.moments.count, stats.moments.mean(), stats.moments.deviation()
        if not count and isinstance(self.spec, NumberOutputSpec):
            raise DataError(Problem(self.spec.name, "has no numbers among the training rows: nothing to learn"))
        minimum, maximum = (stats.minimum, stats.maximum) if count else (0.0, 0.0)
        quantiles = stats.sample.quantiles(QUANTILE_LEVELS) if count else [0.0] * len(QUANTILE_LEVELS)
        mode = stats.sample.mode() if count else 0.0
        by_level = dict(zip((f"{level:g}" for level in QUANTILE_LEVELS), quantiles, strict=True))
        offset, scale = self._scale(mean, std, minimum, maximum, by_level)
        threshold = self.preprocessing.outlier_threshold
        outliers = self.preprocessing.outlier_strategy
        bounded = outliers is not None and threshold is not None and std > 0
        low = mean - threshold * std if bounded and threshold is not None else None
        high = mean + threshold * std if bounded and threshold is not None else None
        return NumberFitted(
            count=count,
            missing=stats.missing,
            mean=mean,
            std=std,
            minimum=minimum,
            maximum=maximum,
            mode=mode,
            quantiles=by_level,
            offset=offset,
            scale=scale,
            log1p=self.preprocessing.normalization == "log1p",
            fill=self._fill(self.preprocessing.missing_value_strategy, mean, mode),
            outlier_low=low,
            outlier_high=high,
            outlier_fill=self._fill(outliers, mean, mode) if bounded and outliers not in (None, "drop_row") else None,
        )

    def _scale(
        self, mean: float, std: float, minimum: float, maximum: float, quantiles: dict[str, float]
    ) -> tuple[float, float]:
        match self.preprocessing.normalization:
            case "zscore":
                # A deviation that is lost in the rounding of the mean is that of a constant.
                return mean, std if std > max(abs(mean) * 1e-15, _LEAST_SCALE) else 1.0
            case "minmax":
                return minimum, maximum - minimum if maximum - minimum > _LEAST_SCALE else 1.0
            case "iq":
                # Where the middle half is one value, or next to it, it is no measure of the rest.
                spread = quantiles["0.75"] - quantiles["0.25"]
                spread = spread if spread > 1e-6 * std else std
                return quantiles["0.5"], spread if spread > _LEAST_SCALE else 1.0
            case "log1p":
                if minimum <= -1.0:
                    raise DataError(
                        Problem(
                            self.spec.name,
                            f"log1p needs numbers above -1; the least of the training rows is {minimum:g}",
                            hint="choose zscore, minmax or iq",
                        )
                    )
                return 0.0, 1.0
            case None:
                return 0.0, 1.0

    def _fill(self, strategy: str | None, mean: float, mode: float) -> float:
        """Units; what `drop_row`, `bfill` and `ffill` leave (single rows at prediction) gets the mean."""
        if strategy == "fill_with_mode":
            return mode
        value = self.preprocessing.fill_value
        return value if strategy == "fill_with_const" and value is not None else mean

    def drops(self, column: pa.Array, fitted: NumberFitted | None) -> np.ndarray | None:
        """[N] bool: missing values before fitting, outliers after, where `drop_row` is their strategy."""
        if fitted is None:
            drop = self.preprocessing.missing_value_strategy == "drop_row" and column.null_count
            return missing(column) if drop else None
        return _outliers(column, fitted) if self.preprocessing.outlier_strategy == "drop_row" else None

    def gaps(self, column: pa.Array, fitted: NumberFitted) -> Gaps | None:
        """Missing values and outliers, each by its own strategy."""
        strategies = (self.preprocessing.missing_value_strategy, self.preprocessing.outlier_strategy)
        if "ffill" not in strategies and "bfill" not in strategies:
            return None
        empty, outlier = missing(column), _outliers(column, fitted)
        nothing = np.zeros(len(column), bool)
        forward = [gap for gap, strategy in zip((empty, outlier), strategies, strict=True) if strategy == "ffill"]
        backward = [gap for gap, strategy in zip((empty, outlier), strategies, strict=True) if strategy == "bfill"]
        return Gaps(~(empty | outlier), sum(forward, nothing), sum(backward, nothing))

    def encode(self, column: pa.Array, fitted: NumberFitted) -> np.ndarray:
        """[N] numbers -> [N] float32 on the normalized scale."""
        values: np.ndarray = column.to_numpy(zero_copy_only=False)
        encoded = np.empty(len(values), np.float32)
        if fitted.outlier_fill is not None:
            values = np.where(_outliers(column, fitted), fitted.outlier_fill, values)
        if column.null_count:
            values = np.where(np.isnan(values), fitted.fill, values)
        if fitted.log1p:  # numbers of -1 and below, unseen in training, count as its least
            np.log1p(np.maximum(values, fitted.minimum), out=encoded, casting="same_kind")
        else:
            np.divide(np.subtract(values, fitted.offset), fitted.scale, out=encoded, casting="same_kind")
        return encoded

    def decode(self, encoded: np.ndarray, fitted: NumberFitted) -> pa.Array:
        """[N] on the normalized scale -> [N] float64 in units of the column."""
        values = encoded.astype(np.float64)
        if fitted.log1p:
            return pa.array(np.expm1(np.minimum(values, 700.0)))  # exp(710) is infinite
        return pa.array(values * fitted.scale + fitted.offset)

    def shape(self, fitted: NumberFitted) -> Shape:
        """Kind number, with the way back to units."""
        return Shape("number", scale=fitted.scale, offset=fitted.offset, log1p=fitted.log1p)

    def warnings(self, fitted: NumberFitted) -> list[str]:
        """A column without numbers, or with the same number everywhere."""
        if not fitted.count:
            return [f"{self.spec.name}: no numbers among the training rows; the column says nothing"]
        if fitted.minimum == fitted.maximum:
            return [f"{self.spec.name}: every training row has the same number, {fitted.minimum:g}"]
        return []

    def predictions(self, scores: np.ndarray, fitted: NumberFitted) -> dict[str, pa.Array]:
        """[N] on the normalized scale -> `<name>_predictions` in units, within `clip`."""
        assert isinstance(self.spec, NumberOutputSpec), "an input is not predicted"
        values = self.decode(scores, fitted)
        if self.spec.clip is not None:
            values = pa.array(np.clip(values.to_numpy(), *self.spec.clip))
        return {f"{self.spec.name}_predictions": values}


def _from_text(texts: pa.Array) -> tuple[pa.Array, Unparsable]:
    """[N] text -> [N] float64."""
    texts = pc.utf8_trim_whitespace(texts)
    plain = pc.match_substring_regex(texts, _NUMBER)
    if not pc.all(plain, min_count=0).as_py():  # null counts as true here
        grouped = pc.match_substring_regex(texts, _THOUSANDS)
        texts = pc.if_else(grouped, pc.replace_substring(texts, ",", ""), texts)
        plain = pc.or_(plain, grouped)
    numbers = pc.if_else(plain, texts, pa.scalar(None, pa.string())).cast(pa.float64())
    rest = texts.filter(pc.invert(plain))  # null rows fall out
    words = pc.utf8_lower(rest)
    infinite = pc.sum(pc.is_in(words, _INFINITE_WORDS)).as_py() or 0
    known = pc.or_(pc.is_in(words, _MISSING_WORDS), pc.is_in(words, _INFINITE_WORDS))
    bad = rest.filter(pc.invert(known))
    return numbers, Unparsable(len(bad), tuple(bad.slice(0, 5).to_pylist()), infinite)


def _finite(numbers: pa.Array) -> tuple[pa.Array, int]:
    """The same with NaN and infinity null, and how many were infinite."""
    values = numbers.to_numpy(zero_copy_only=False)
    if numbers.null_count == 0 and np.isfinite(values).all():
        return numbers, 0
    infinite = int(np.isinf(values).sum())
    if numbers.null_count == int((~np.isfinite(values)).sum()):
        return numbers, infinite
    return pa.array(values, mask=~np.isfinite(values)), infinite


def _outliers(column: pa.Array, fitted: NumberFitted) -> np.ndarray:
    """[N] bool, true beyond the bounds; a missing value is none."""
    if fitted.outlier_low is None or fitted.outlier_high is None:
        return np.zeros(len(column), bool)
    values: np.ndarray = column.to_numpy(zero_copy_only=False)
    return (values < fitted.outlier_low) | (values > fitted.outlier_high)
