"""Comparator: two entities, each described by some of the features, and how alike they are."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import Strict

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec
from ostinato.spec import Name, NonNegativeInt, Probability

Entity = Annotated[tuple[Name, ...], Strict(False), MinLen(1)]


@COMBINERS.register("comparator")
class ComparatorSpec(DenseCombinerSpec):
    """Two vectors, their difference, their dot product and a bilinear product; each input belongs to one entity."""

    type: Literal["comparator"] = "comparator"
    """Name of the combiner."""
    entity_1: Entity
    """Input features of the first entity."""
    entity_2: Entity
    """Input features of the second one; together they name every input."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    num_fc_layers: NonNegativeInt = 1
    """Number of fully connected layers of each entity; ignored where `fc_layers` lists them."""
