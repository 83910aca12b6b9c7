"""TabTransformer: attention among the categories, the numbers beside it (Huang et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import model_validator

from ostinato.combiners.spec import COMBINERS, TransformerCombinerSpec, check_heads
from ostinato.combiners.transformer.spec import TokenReduce
from ostinato.spec import clash


@COMBINERS.register("tabtransformer")
class TabTransformerSpec(TransformerCombinerSpec):
    """Categories and binaries go through a transformer, the other vectors through a norm (Huang et al. 2020)."""

    type: Literal["tabtransformer"] = "tabtransformer"
    """Name of the combiner."""
    embed_input_feature_name: Annotated[int, Ge(1)] | Literal["add"] | None = None
    """How a token tells which feature it is of: so many of its units, or a vector that is added; null for nothing."""
    reduce_output: TokenReduce = "concat"
    """How the tokens become one vector."""

    @model_validator(mode="after")
    def _sizes_agree(self) -> TabTransformerSpec:
        check_heads(self.hidden_size, self.num_heads)
        name = self.embed_input_feature_name
        if isinstance(name, int) and name >= self.hidden_size:
            raise clash(
                "embed_input_feature_name", f"{name} leaves no units for the value", f"below {self.hidden_size}"
            )
        return self
