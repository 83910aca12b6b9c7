"""Which rows train, validate and test: `preprocessing.split`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Strict, model_validator

from ostinato.registry import OneOf, Registry
from ostinato.spec import Name, Probability, Spec, clash

SPLITS = Registry("split")
Probabilities = Annotated[tuple[Probability, Probability, Probability], Strict(False)]


class SplitSpec(Spec):
    """What every split can be told."""

    type: str
    """Name of the split."""


class ProportionalSplitSpec(SplitSpec):
    """A split by proportions."""

    probabilities: Probabilities = (0.7, 0.1, 0.2)
    """Share of training, validation and test rows; they sum to 1."""

    @model_validator(mode="after")
    def _sum_is_one(self) -> ProportionalSplitSpec:
        if abs(sum(self.probabilities) - 1) > 1e-6:
            message = f"the shares of training, validation and test rows sum to {sum(self.probabilities):g}"
            raise clash("probabilities", message, "shares that sum to 1")
        if self.probabilities[0] == 0:
            raise clash("probabilities", "the share of training rows is 0", "a first share above 0")
        return self


@SPLITS.register("random")
class RandomSplitSpec(ProportionalSplitSpec):
    """At random."""

    type: Literal["random"] = "random"
    """Name of the split."""


@SPLITS.register("fixed")
class FixedSplitSpec(SplitSpec):
    """As a column says: 0 training, 1 validation, 2 test (or the words).

    Without validation rows, 15 % of the training rows are set aside for validation, by a hash of their position.
    """

    type: Literal["fixed"] = "fixed"
    """Name of the split."""
    column: Name = "split"
    """Column that holds the split."""


@SPLITS.register("stratify")
class StratifySplitSpec(ProportionalSplitSpec):
    """At random, with the same share of each value of a category or binary column in every part."""

    type: Literal["stratify"] = "stratify"
    """Name of the split."""
    column: Name
    """Column whose values are spread evenly."""


@SPLITS.register("datetime")
class DatetimeSplitSpec(ProportionalSplitSpec):
    """By time: the oldest rows train, the newest test."""

    type: Literal["datetime"] = "datetime"
    """Name of the split."""
    column: Name
    """Column that holds the time."""


@SPLITS.register("hash")
class HashSplitSpec(ProportionalSplitSpec):
    """By a hash of a column: a row stays in its part as the data grows."""

    type: Literal["hash"] = "hash"
    """Name of the split."""
    column: Name
    """Column that identifies a row, or a group of rows that belong together."""


def split_spec(value: Mapping[str, Any]) -> SplitSpec:
    """The split that a mapping, such as that of a manifest, describes."""
    spec = OneOf(SPLITS, "random").validate(value)
    assert isinstance(spec, SplitSpec), "of that registry"
    return spec
