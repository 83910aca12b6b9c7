"""Exact sums of numbers and of their squares, so that the order and size of batches can't change a bit of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

# Products of two digits have 36 bits, so sums of 2**14 of them are whole numbers below 2**53: float64 adds them
# without rounding, in whatever order BLAS likes.
_DIGIT_BITS = 18
_MAX_DIGITS = 7
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Dyadic:
    """mantissa * 2**exponent, exact."""

    mantissa: int = 0
    exponent: int = 0

    def __add__(self, other: Dyadic) -> Dyadic:
        low = min(self.exponent, other.exponent)
        total = (self.mantissa << (self.exponent - low)) + (other.mantissa << (other.exponent - low))
        return Dyadic(total, low)

    def fraction(self) -> Fraction:
        """The value."""
        return Fraction(self.mantissa) * Fraction(2) ** self.exponent

    def reduced(self) -> Dyadic:
        """The same value with an odd mantissa (or zero), so that equal values are equal."""
        if not self.mantissa:
            return Dyadic()
        zeros = (self.mantissa & -self.mantissa).bit_length() - 1
        return Dyadic(self.mantissa >> zeros, self.exponent + zeros)


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of squares, exact and mergeable."""

    count: int = 0
    total: Dyadic = Dyadic()
    squares: Dyadic = Dyadic()

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Moments of [N] finite float64."""
        result = cls()
        for start in range(0, len(values), _CHUNK):
            result = result.merge(cls._of_chunk(values[start : start + _CHUNK]))
        return result

    @classmethod
    def _of_chunk(cls, values: np.ndarray) -> Self:
        """Writes each number in digits of 18 bits; sums and products of digits are exact in float64."""
        largest = max(float(values.max()), -float(values.min()))
        if largest == 0.0:
            return cls(len(values))
        unit = math.frexp(largest)[1] - _DIGIT_BITS
        rest = np.ldexp(values, -unit)
        too_small = (rest == 0.0) & (values != 0.0) if unit > 0 else None
        digits = np.empty((_MAX_DIGITS, len(values)))
        used = 0
        while used < _MAX_DIGITS:
            digit = np.trunc(rest, out=digits[used])
            rest -= digit
            rest *= 1 << _DIGIT_BITS
            used += 1
            if not rest.any():
                break
        left = rest != 0.0 if too_small is None else (rest != 0.0) | too_small
        others = cls()
        if left.any():  # numbers 2**55 times smaller than the largest: on their own
            digits[:, left] = 0.0
            others = cls._of_chunk(values[left])
        digits = digits[:used]
        sums, products = digits.sum(axis=1).tolist(), (digits @ digits.T).tolist()
        total = squares = 0
        for i in range(used):
            total += int(sums[i]) << (_DIGIT_BITS * (used - 1 - i))
            for j in range(used):
                squares += int(products[i][j]) << (_DIGIT_BITS * (2 * used - 2 - i - j))
        lowest = unit - _DIGIT_BITS * (used - 1)
        mine = cls(len(values) - others.count, Dyadic(total, lowest), Dyadic(squares, 2 * lowest))
        return mine.merge(others)

    def merge(self, other: Self) -> Self:
        """Moments of both."""
        total, squares = self.total + other.total, self.squares + other.squares
        return type(self)(self.count + other.count, total, squares)

    def mean(self) -> float:
        """The mean, rounded once; 0 of nothing."""
        return float(self.total.fraction() / self.count) if self.count else 0.0

    def deviation(self) -> float:
        """Standard deviation of the population; 0 of nothing."""
        if not self.count:
            return 0.0
        total = self.total.fraction()
        return _square_root((self.squares.fraction() - total * total / self.count) / self.count)

    def to_json(self) -> dict[str, Any]:
        """Whole numbers, exact."""
        total, squares = self.total.reduced(), self.squares.reduced()
        return {
            "count": self.count,
            "total": [total.mantissa, total.exponent],
            "squares": [squares.mantissa, squares.exponent],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(value["count"], Dyadic(*value["total"]), Dyadic(*value["squares"]))


def _square_root(value: Fraction) -> float:
    """Square root of a fraction that itself may be too small or too large for a float."""
    if value == 0:
        return 0.0
    # An even shift that leaves a number near 1.
    shift = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** shift), shift)
