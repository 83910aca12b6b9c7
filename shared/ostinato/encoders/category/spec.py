"""Encoders of one category: passthrough, dense, sparse, onehot, target, hash."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import Initializer
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PendingFalse, PendingNull, PositiveInt, Probability


@ENCODERS.register("passthrough", "category")
class CategoryPassthroughSpec(EncoderSpec):
    """The code of the category as a number."""

    type: Literal["passthrough"] = "passthrough"
    """Name of the encoder."""


class EmbeddingSpec(EncoderSpec):
    """What `dense` and `sparse` share."""

    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    vocab: PendingNull = None
    """Set from the data."""
    embedding_initializer: Initializer | None = None
    """How the vectors start; null for a normal distribution."""
    embeddings_on_cpu: PendingFalse = False
    """Whether the vectors stay in host memory."""


@ENCODERS.register("dense", "category")
class CategoryDenseSpec(EmbeddingSpec):
    """A learned vector for each category."""

    type: Literal["dense"] = "dense"
    """Name of the encoder."""
    embedding_size: PositiveInt | Literal["auto"] = "auto"
    """Units of a vector, at most the number of categories; `auto` for 1.6 x categories ^ 0.56, from 2 to 50."""
    embeddings_trainable: bool = True
    """Whether the vectors learn."""
    pretrained_embeddings: PendingNull = None
    """File with vectors to start from."""


@ENCODERS.register("sparse", "category")
class CategorySparseSpec(EmbeddingSpec):
    """A vector of one unit a category: one-hot where it does not learn."""

    type: Literal["sparse"] = "sparse"
    """Name of the encoder."""
    embeddings_trainable: bool = False
    """Whether the vectors learn."""
    pretrained_embeddings: PendingNull = None
    """File with vectors to start from."""


@ENCODERS.register("onehot", "category")
class OneHotSpec(EncoderSpec):
    """One unit a category, 1 for the row's own."""

    type: Literal["onehot"] = "onehot"
    """Name of the encoder."""
    vocab: PendingNull = None
    """Set from the data."""


@ENCODERS.register("target", "category")
class TargetSpec(EncoderSpec):
    """The smoothed mean of the first output among the training rows of that category (Micci-Barreca 2001).

    While training, noise of the mean's own standard error keeps rare categories from giving their target away.
    """

    type: Literal["target"] = "target"
    """Name of the encoder."""
    vocab: PendingNull = None
    """Set from the data."""
    output_size: PositiveInt = 1
    """Units of the output; above the number of target columns a linear layer widens it."""


@ENCODERS.register("hash", "category")
class HashSpec(EncoderSpec):
    """A learned vector for each of a fixed number of buckets that categories are hashed into."""

    type: Literal["hash"] = "hash"
    """Name of the encoder."""
    vocab: PendingNull = None
    """Set from the data."""
    num_hash_buckets: PositiveInt = 1024
    """Number of buckets."""
    embedding_size: PositiveInt = 50
    """Units of a vector."""
