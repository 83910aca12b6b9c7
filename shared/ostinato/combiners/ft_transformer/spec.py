"""FT-Transformer: a token a feature, attention among them (Gorishniy et al. 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, TransformerCombinerSpec, check_heads


@COMBINERS.register("ft_transformer")
class FTTransformerSpec(TransformerCombinerSpec):
    """A token a feature and a class token, transformer layers, the class token's output (Gorishniy et al. 2021)."""

    type: Literal["ft_transformer"] = "ft_transformer"
    """Name of the combiner."""

    @model_validator(mode="after")
    def _heads_share_a_token(self) -> FTTransformerSpec:
        check_heads(self.hidden_size, self.num_heads)
        return self
