"""Encoders of a sequence of codes: embed, parallel_cnn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Strict

from ostinato.blocks.spec import Activation, FCLayers, Initializer, ReduceMode
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import PendingFalse, PendingNull, PositiveInt, Probability, Spec


class SequenceEncoderSpec(EncoderSpec):
    """What encoders over a vocabulary share."""

    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    max_sequence_length: PositiveInt | None = None
    """Set from the data."""
    representation: Literal["dense", "sparse"] = "dense"
    """`dense`: learned vectors; `sparse`: one unit a symbol."""
    vocab: PendingNull = None
    """Set from the data."""
    embedding_size: PositiveInt = 256
    """Units of a symbol's vector; at most the size of the vocabulary."""
    embeddings_on_cpu: PendingFalse = False
    """Whether the vectors stay in host memory."""
    embeddings_trainable: bool = True
    """Whether the vectors learn."""
    pretrained_embeddings: PendingNull = None
    """File with vectors to start from."""
    reduce_output: ReduceMode | None = "sum"
    """How the vectors of a sequence become one; null keeps them all."""


@ENCODERS.register("embed", "text")
class EmbedSpec(SequenceEncoderSpec):
    """A vector for each symbol, reduced over the sequence."""

    type: Literal["embed"] = "embed"
    """Name of the encoder."""
    weights_initializer: Initializer = "uniform"
    """How the vectors start."""


class ConvLayerSpec(Spec):
    """One convolution of `conv_layers`; what is null is taken from the encoder."""

    num_filters: PositiveInt | None = None
    """Number of filters."""
    filter_size: PositiveInt | None = None
    """Width of a filter in symbols."""
    pool_function: ReduceMode | None = None
    """Pooling over time."""
    pool_size: PositiveInt | None = None
    """Width of the pooling; null for none."""
    activation: Activation | None = None
    """Activation of the layer."""
    dropout: Probability | None = None
    """Dropout of the layer."""
    norm: Literal["batch", "layer"] | None = None
    """Normalization of the layer."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""


@ENCODERS.register("parallel_cnn", "text")
class ParallelCNNSpec(SequenceEncoderSpec):
    """Convolutions of several widths side by side, joined, reduced, then fully connected (Kim 2014)."""

    type: Literal["parallel_cnn"] = "parallel_cnn"
    """Name of the encoder."""
    should_embed: Annotated[bool, Strict()] = True
    """Whether symbols become vectors first."""
    activation: Activation | None = "relu"
    """Activation of all layers; null for none."""
    use_bias: bool = True
    """Whether the layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    num_conv_layers: PositiveInt | None = None
    """Number of convolutions; null for four, of widths 2 to 5."""
    conv_layers: Annotated[tuple[ConvLayerSpec, ...], Strict(False)] | None = None
    """The convolutions one by one."""
    num_filters: PositiveInt = 256
    """Number of filters of a convolution."""
    filter_size: PositiveInt = 3
    """Width of a filter in symbols."""
    pool_function: ReduceMode | None = "max"
    """Pooling over time."""
    pool_size: PositiveInt | None = None
    """Width of the pooling; null for none."""
    output_size: PositiveInt = 256
    """Units of a fully connected layer."""
    norm: Literal["batch", "layer"] | None = None
    """Normalization before each activation; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    num_fc_layers: PositiveInt | None = None
    """Number of fully connected layers; null for two, of 512 and 256 units."""
    fc_layers: FCLayers | None = None
    """The fully connected layers one by one."""
