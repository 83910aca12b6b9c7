"""FT-Transformer: a token a feature, attention among them (Gorishniy et al. 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.blocks.spec import Activation
from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.spec import PositiveInt, Probability, clash


@COMBINERS.register("ft_transformer")
class FTTransformerSpec(CombinerSpec):
    """A token a feature and a class token, transformer layers, the class token's output (Gorishniy et al. 2021)."""

    type: Literal["ft_transformer"] = "ft_transformer"
    """Name of the combiner."""
    dropout: Probability = 0.1
    """Probability that a unit of the transformer is set to zero while training."""
    transformer_output_size: PositiveInt = 256
    """Units of the feed-forward part of a transformer layer."""
    hidden_size: PositiveInt = 256
    """Units of a token; a multiple of `num_heads`."""
    num_layers: PositiveInt = 1
    """Number of transformer layers."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    fc_dropout: Probability = 0.0
    """Dropout of the fully connected layers."""
    fc_activation: Activation | None = "relu"
    """Activation of the fully connected layers."""
    fc_residual: bool = False
    """Adds the input of a fully connected layer to its output where the sizes agree."""

    @model_validator(mode="after")
    def _heads_share_a_token(self) -> FTTransformerSpec:
        if self.hidden_size % self.num_heads:
            message = f"{self.hidden_size} is no multiple of num_heads, which is {self.num_heads}"
            raise clash("hidden_size", message, f"a multiple of {self.num_heads}")
        return self
