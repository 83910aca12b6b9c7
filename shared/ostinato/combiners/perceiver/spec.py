"""Perceiver: a few latents read all features (Jaegle et al. 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, DenseCombinerSpec, check_heads
from ostinato.combiners.transformer.spec import TokenReduce
from ostinato.spec import PositiveInt


@COMBINERS.register("perceiver")
class PerceiverSpec(DenseCombinerSpec):
    """Learned latents attend to the tokens of all features, then to each other (Jaegle et al. 2021)."""

    type: Literal["perceiver"] = "perceiver"
    """Name of the combiner."""
    num_latents: PositiveInt = 32
    """Number of latents."""
    latent_dim: PositiveInt = 256
    """Units of a latent; a multiple of `num_heads`."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    num_self_attention_layers: PositiveInt = 2
    """Transformer layers among the latents."""
    reduce_output: TokenReduce = "mean"
    """How the latents become one vector."""

    @model_validator(mode="after")
    def _heads_share_a_latent(self) -> PerceiverSpec:
        check_heads(self.latent_dim, self.num_heads, "latent_dim")
        return self
