"""Transformer: a token a feature, attention among them, reduced to one vector."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, TransformerCombinerSpec, check_heads

TokenReduce = Literal["last", "sum", "mean", "avg", "max", "concat", "attention", "attention_pooling"]


@COMBINERS.register("transformer")
class TransformerSpec(TransformerCombinerSpec):
    """A token a feature, transformer layers, the tokens reduced to one vector (Vaswani et al. 2017)."""

    type: Literal["transformer"] = "transformer"
    """Name of the combiner."""
    reduce_output: TokenReduce = "mean"
    """How the tokens become one vector."""

    @model_validator(mode="after")
    def _heads_share_a_token(self) -> TransformerSpec:
        check_heads(self.hidden_size, self.num_heads)
        return self
