"""When a new model may take the place of the one in use: the section `gate`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import Strict

from ostinato.spec import Name, NonNegative, PositiveInt, Spec


class GateConditionSpec(Spec):
    """What a metric on the test rows must be."""

    metric: Name
    """Name of the metric, in the column's own units."""
    output: str | None = None
    """The output feature; null for the first one that has the metric."""
    minimum: float | None = None
    """Least value of the new model."""
    maximum: float | None = None
    """Highest value of the new model."""
    improvement: float | None = 0.0
    """By how much the new model must be better than the champion, in units of the metric, whichever way is better; 0
    for at least as good, below 0 for as much worse at most; null for no comparison."""
    significant: bool = False
    """Whether the whole confidence interval of the improvement must be there, not only the estimate."""


class GateSpec(Spec):
    """The new model and the champion are measured on today's test rows; the run fails where a condition does not hold.

    Where they all hold, the new model becomes the champion.
    """

    conditions: Annotated[tuple[GateConditionSpec, ...], Strict(False), MinLen(1)]
    """All of them must hold."""
    champion: str | None = None
    """URI of the folder that tells which model is in use: it holds `champion.json` and `bundles/`, and is made by the
    first promotion. Null compares with none and promotes nothing."""
    promote: bool = True
    """Whether a model that passes becomes the champion."""
    on_missing_champion: Literal["refuse", "promote"] = "refuse"
    """What to do where `champion.json` names a bundle that is not there, or is damaged."""
    on_incompatible_champion: Literal["refuse", "promote"] = "refuse"
    """What to do where the champion can't be compared: it needs columns that are gone, predicts something else, or was
    written by a version that this one can't read."""
    slices: Annotated[tuple[Name, ...], Strict(False)] = ()
    """Columns of the data; among the rows of each of their values no comparison may come out surely worse."""
    slice_rows: PositiveInt = 30
    """Test rows that a slice must have to be judged."""
    slice_tolerance: NonNegative = 0.0
    """How much worse a slice may be. It fails where the whole confidence interval, widened for the number of slices, is
    worse than that."""
    confidence: Annotated[float, Gt(0.0), Lt(1.0)] = 0.95
    """Level of the confidence intervals, by paired bootstrap of the test rows."""
    resamples: Annotated[int, Ge(100)] = 1000
    """Resamples of the bootstrap."""
    force: bool = False
    """Promotes whatever the conditions say; the decision says so."""
