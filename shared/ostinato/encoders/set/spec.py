"""Encoder of symbols without an order: embed."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import DenseLayersSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PendingFalse, PendingNull, PositiveInt


@ENCODERS.register("embed", "set", "bag")
class EmbedSetSpec(EncoderSpec, DenseLayersSpec):
    """A vector for each symbol, summed up, then fully connected where asked for."""

    type: Literal["embed"] = "embed"
    """Name of the encoder."""
    vocab: PendingNull = None
    """Set from the data."""
    representation: Literal["dense", "sparse"] = "dense"
    """`dense`: learned vectors; `sparse`: one unit a symbol, which counts it."""
    embedding_size: PositiveInt = 50
    """Units of a symbol's vector; at most the size of the vocabulary."""
    force_embedding_size: bool = False
    """Whether vectors have `embedding_size` units even where that is more than the vocabulary has symbols."""
    embeddings_on_cpu: PendingFalse = False
    """Whether the vectors stay in host memory."""
    embeddings_trainable: bool = True
    """Whether the vectors learn."""
    pretrained_embeddings: PendingNull = None
    """File with vectors to start from."""
