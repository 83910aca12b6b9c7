"""What features of every type share, and the registries of input and output features."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Strict

from ostinato.registry import Registry
from ostinato.spec import Name, Pending, Probability, Spec

_PENDING_INPUTS = frozenset({"image", "audio"})
_PENDING_OUTPUTS = frozenset({"sequence", "text", "timeseries", "image", "anomaly"})

INPUTS = Registry("input feature type", pending={"": _PENDING_INPUTS})
OUTPUTS = Registry("output feature type", pending={"": _PENDING_OUTPUTS})

Reduce = Literal["sum", "mean", "avg", "max", "concat", "last"]


class PreprocessingSpec(Spec):
    """What the preprocessing of every feature can be told."""

    missing_value_strategy: str
    """What becomes of a missing value."""


class ReadPreprocessingSpec(PreprocessingSpec):
    """What the preprocessing of values can be told that must be read: numbers, dates, vectors."""

    max_unparsable: Probability = 0.01
    """Share of values that can't be read ("abc" for a number) above which preprocessing fails; below it they count as
    missing."""


class FeatureSpec(Spec):
    """What every feature has."""

    name: Name
    """Name of the feature; unique in the config."""
    type: str
    """Type of the feature."""
    column: str = ""
    """Column of the data; the name where this is empty."""
    active: Annotated[bool, Pending(True)] = True
    """Whether the feature takes part."""

    @property
    def source(self) -> str:
        """The column of the data that this feature reads."""
        return self.column or self.name


class InputSpec(FeatureSpec):
    """What every input feature has. A concrete type adds `preprocessing` and `encoder`."""

    tied: Name | None = None
    """Input feature of the same type whose encoder, and vocabulary or scale, this one shares."""
    preprocessing: Any
    encoder: Any


class OutputSpec(FeatureSpec):
    """What every output feature has. A concrete type adds `preprocessing`, `decoder` and `loss`."""

    reduce_input: Reduce = "sum"
    """How a sequence that comes from the combiner becomes one vector."""
    dependencies: Annotated[tuple[Name, ...], Strict(False)] = ()
    """Outputs whose last hidden layer and prediction this one sees."""
    reduce_dependencies: Reduce = "sum"
    """How a sequence that comes from a dependency becomes one vector."""
    preprocessing: Any
    decoder: Any
    loss: Any
