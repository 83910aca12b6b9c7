"""Cross attention: every feature looks at the others."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec, check_heads
from ostinato.spec import PositiveInt


@COMBINERS.register("cross_attention")
class CrossAttentionSpec(DenseCombinerSpec):
    """The tokens of each feature attend to those of the other features; their mean is the output."""

    type: Literal["cross_attention"] = "cross_attention"
    """Name of the combiner."""
    hidden_size: PositiveInt = 256
    """Units of a token; a multiple of `num_heads`."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    num_layers: PositiveInt = 1
    """Number of layers of attention."""

    @model_validator(mode="after")
    def _heads_share_a_token(self) -> CrossAttentionSpec:
        check_heads(self.hidden_size, self.num_heads)
        return self
