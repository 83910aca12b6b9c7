"""The contract of the data, as its file has it, and what new data are checked for: the section `data_contract`."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import Strict, model_validator

from ostinato.spec import Name, NonNegative, NonNegativeInt, Probability, Spec, clash

Severity = Literal["error", "warning", "ignore"]
Values = Literal["number", "text", "boolean", "time", "other", "none"]
Role = Literal["input", "output", "split", "unused"]


class LimitsSpec(Spec):
    """From where on a check warns, and from where on it refuses the data."""

    warning: NonNegative | None = None
    """What is above is a warning; null for no warnings."""
    error: NonNegative | None = None
    """What is above is an error, which ends the run; null for no errors."""


class ChecksSpec(Spec):
    """What new data are checked for. A check whose limits are written has just these: what is left out is off."""

    missing_columns: Severity = "error"
    """A column of the contract is not in the data."""
    new_columns: Severity = "warning"
    """A column of the data is not in the contract."""
    type: Severity = "error"
    """A column holds values of another type: text where there were numbers."""
    rows: LimitsSpec = LimitsSpec(warning=0.5)
    """How many rows fewer than the contract's there are, as a share of these; {warning: 0.5}."""
    missing_values: LimitsSpec = LimitsSpec(warning=0.05, error=0.2)
    """How much higher the share of missing values is; {warning: 0.05, error: 0.2}."""
    unseen_values: LimitsSpec = LimitsSpec(warning=0.01, error=0.1)
    """Share of the values of a category that are not in the contract; {warning: 0.01, error: 0.1}."""
    range: LimitsSpec = LimitsSpec(warning=0.1)
    """How far numbers lie outside of the contract's range, in widths of it; {warning: 0.1}."""
    psi: LimitsSpec = LimitsSpec(warning=0.1, error=0.25)
    """Drift of an input: population stability index over tenths of the numbers, or over categories; {warning: 0.1,
    error: 0.25}. What so few rows give by chance never counts."""
    jensen_shannon: LimitsSpec = LimitsSpec()
    """Drift by the Jensen-Shannon divergence in bits, from 0 to 1, over the same bins; off."""
    label_shift: LimitsSpec = LimitsSpec(warning=0.1, error=0.25)
    """Drift of a column to predict, by the population stability index; {warning: 0.1, error: 0.25}."""


class DataContractSpec(Spec):
    """The data are compared with a contract before they are preprocessed; an error ends the run."""

    path: Name
    """The contract that `ostinato schema accept` wrote: a local path, which is read when the pipeline is compiled and
    travels with it, or a URI, which is read by the step itself."""
    checks: ChecksSpec = ChecksSpec()
    """What is checked, and how strictly; a column of the contract may have `checks` of its own."""


class Bins(Spec):
    """How numbers are distributed: shares between edges. A number that is an edge counts below it."""

    edges: Annotated[tuple[float, ...], Strict(False), MinLen(1)]
    """Rising."""
    shares: Annotated[tuple[Probability, ...], Strict(False)]
    """Of the values up to the first edge, between the edges, above the last."""

    @model_validator(mode="after")
    def _fit(self) -> Bins:
        if len(self.shares) != len(self.edges) + 1:
            found = f"there are {len(self.shares)} for {len(self.edges)} edges"
            raise clash("shares", found, f"{len(self.edges) + 1} shares")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise clash("edges", "are not rising", "each edge above the one before")
        return self


class ColumnContract(Spec):
    """What a column was like."""

    name: Name
    """Name of the column."""
    role: Role = "input"
    """What the config does with it."""
    type: Name
    """Type of the feature."""
    values: Values
    """What the values are, whatever is made of them; `none` where all are missing."""
    missing: Probability
    """Share of missing values."""
    minimum: float | None = None
    """The lowest number."""
    maximum: float | None = None
    """The highest number."""
    bins: Bins | None = None
    """How numbers are distributed."""
    categories: dict[str, Probability] | None = None
    """Share of each category among the values that are there; at most 50, the rest are not in the contract."""
    checks: ChecksSpec | None = None
    """Checks that are otherwise for this column."""


class Contract(Spec):
    """What the data of the last accepted run were like."""

    format_version: Literal[1] = 1
    """Version of this file's layout."""
    source: str = ""
    """The data that were accepted."""
    rows: NonNegativeInt
    """Their rows."""
    columns: Annotated[tuple[ColumnContract, ...], Strict(False), MinLen(1)]
    """Their columns, in order."""
