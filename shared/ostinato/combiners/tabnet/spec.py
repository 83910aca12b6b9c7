"""TabNet: a few steps, each of which looks at some of the features (Arik and Pfister 2021)."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.spec import Later, NonNegative, Pending, PositiveInt, Probability, clash


@COMBINERS.register("tabnet")
class TabNetSpec(CombinerSpec):
    """Steps that each choose features by a sparse mask, and add up (Arik and Pfister 2021)."""

    type: Literal["tabnet"] = "tabnet"
    """Name of the combiner."""
    size: PositiveInt = 32
    """Units that a step hands to the next one's mask (N_a of the paper)."""
    output_size: PositiveInt = 128
    """Units that a step adds to the output (N_d of the paper)."""
    dropout: Probability = 0.05
    """Probability that a unit of the output is set to zero while training."""
    num_steps: PositiveInt = 3
    """Number of steps."""
    num_total_blocks: PositiveInt = 4
    """Layers of the transformer of a step."""
    num_shared_blocks: Annotated[int, Ge(0)] = 2
    """How many of them all steps share."""
    relaxation_factor: Annotated[float, Ge(1.0)] = 1.5
    """How often a feature may be looked at again (gamma of the paper); 1 for once."""
    bn_epsilon: Annotated[float, Gt(0.0)] = 0.001
    """What is added to the variance in batch normalization."""
    bn_momentum: Annotated[float, Gt(0.0), Le(1.0)] = 0.05
    """Weight of a batch in the running statistics of batch normalization."""
    bn_virtual_bs: PositiveInt | None = 1024
    """Rows that are normalized together (ghost batch normalization); null for the whole batch."""
    sparsity: NonNegative = 0.0001
    """Weight of the masks' entropy in the loss."""
    entmax_mode: Annotated[Literal["sparsemax", "entmax15"], Later(frozenset({"constant", "adaptive"}))] = "sparsemax"
    """What makes a mask sparse."""
    entmax_alpha: Annotated[float, Pending(1.5)] = 1.5
    """The alpha of entmax15."""

    @model_validator(mode="after")
    def _fits(self) -> TabNetSpec:
        if self.num_shared_blocks > self.num_total_blocks:
            message = f"{self.num_shared_blocks} is more than num_total_blocks, which is {self.num_total_blocks}"
            raise clash("num_shared_blocks", message, f"at most {self.num_total_blocks}")
        return self
