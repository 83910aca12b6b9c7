"""Encoders of a sequence of codes or numbers: embed, convolutions, recurrences, a transformer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import Strict, model_validator

from ostinato.blocks.spec import Activation, FCLayers, Initializer, RecurrenceSpec, ReduceMode
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.spec import (
    NonNegativeInt,
    Pending,
    PendingFalse,
    PendingNull,
    PositiveInt,
    Probability,
    Spec,
    clash,
)


class SequenceEncoderSpec(EncoderSpec):
    """What encoders of sequences share. What is said of symbols makes no difference to a series of numbers."""

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


@ENCODERS.register("embed", "text", "sequence")
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


class ConvolutionSpec(SequenceEncoderSpec):
    """What encoders with convolutions share."""

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


ConvLayers = Annotated[tuple[ConvLayerSpec, ...], Strict(False), MinLen(1)]


@ENCODERS.register("parallel_cnn", "text", "sequence", "timeseries")
class ParallelCNNSpec(ConvolutionSpec):
    """Convolutions of several widths side by side, joined, reduced, then fully connected (Kim 2014)."""

    type: Literal["parallel_cnn"] = "parallel_cnn"
    """Name of the encoder."""
    num_conv_layers: PositiveInt | None = None
    """Number of convolutions; null for four, of widths 2 to 5."""
    conv_layers: ConvLayers | None = None
    """The convolutions one by one."""


@ENCODERS.register("stacked_cnn", "text", "sequence", "timeseries")
class StackedCNNSpec(ConvolutionSpec):
    """Convolutions one after another, reduced, then fully connected (Zhang et al. 2015)."""

    type: Literal["stacked_cnn"] = "stacked_cnn"
    """Name of the encoder."""
    num_conv_layers: PositiveInt | None = None
    """Number of convolutions; null for six: widths 7, 7, 3, 3, 3, 3, the first two and the last pooled by 3."""
    conv_layers: ConvLayers | None = None
    """The convolutions one by one."""
    strides: Annotated[int, Pending(1)] = 1
    """Steps between two places of a filter."""
    padding: Annotated[Literal["valid", "same"], Pending("same")] = "same"
    """Whether a convolution keeps the number of steps."""
    dilation_rate: Annotated[int, Pending(1)] = 1
    """Steps between two weights of a filter."""
    pool_strides: PendingNull = None
    """Steps between two places of the pooling; null for its width."""
    pool_padding: Annotated[Literal["valid", "same"], Pending("same")] = "same"
    """Whether the last steps are pooled that are fewer than its width."""


@ENCODERS.register("stacked_parallel_cnn", "text", "sequence", "timeseries")
class StackedParallelCNNSpec(ConvolutionSpec):
    """Convolutions of several widths side by side, several times one after another, reduced, then fully connected."""

    type: Literal["stacked_parallel_cnn"] = "stacked_parallel_cnn"
    """Name of the encoder."""
    num_stacked_layers: PositiveInt | None = None
    """How many times; null for three."""
    stacked_layers: Annotated[tuple[ConvLayers, ...], Strict(False), MinLen(1)] | None = None
    """The layers one by one, each a list of convolutions; null for widths 2 to 5 in each."""


class StackedDenseSpec(SequenceEncoderSpec):
    """An encoder with a few fully connected layers of their own activation at its end."""

    should_embed: Annotated[bool, Strict()] = True
    """Whether symbols become vectors first."""
    reduce_output: ReduceMode | None = "last"
    """How the vectors of a sequence become one; null keeps them all."""
    use_bias: bool = True
    """Whether the layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    output_size: PositiveInt = 256
    """Units of a fully connected layer."""
    norm: Literal["batch", "layer"] | None = None
    """Normalization of the fully connected layers; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers; ignored where `fc_layers` lists them."""
    fc_activation: Activation | None = "relu"
    """Activation of the fully connected layers."""
    fc_dropout: Probability = 0.0
    """Dropout of the fully connected layers."""
    fc_layers: FCLayers | None = None
    """The fully connected layers one by one."""


class RecurrentSpec(StackedDenseSpec, RecurrenceSpec):
    """What encoders with cells share."""

    state_size: PositiveInt = 256
    """Units of a cell's state."""


@ENCODERS.register("rnn", "text", "sequence", "timeseries")
class RNNSpec(RecurrentSpec):
    """Cells over the symbols, reduced (the last state), then fully connected where asked for."""

    type: Literal["rnn"] = "rnn"
    """Name of the encoder."""
    num_layers: PositiveInt = 1
    """Layers of cells."""


@ENCODERS.register("cnnrnn", "text", "sequence", "timeseries")
class CNNRNNSpec(RecurrentSpec):
    """Convolutions one after another, then cells over what they give."""

    type: Literal["cnnrnn"] = "cnnrnn"
    """Name of the encoder."""
    num_rec_layers: PositiveInt = 1
    """Layers of cells."""
    conv_activation: Activation | None = "relu"
    """Activation of the convolutions."""
    conv_dropout: Probability = 0.0
    """Dropout of the convolutions."""
    num_conv_layers: PositiveInt | None = None
    """Number of convolutions; null for six, as in stacked_cnn."""
    conv_layers: ConvLayers | None = None
    """The convolutions one by one."""
    num_filters: PositiveInt = 256
    """Number of filters of a convolution."""
    filter_size: PositiveInt = 5
    """Width of a filter in symbols."""
    pool_function: ReduceMode | None = "max"
    """Pooling over time."""
    pool_size: PositiveInt | None = None
    """Width of the pooling; null for none."""
    strides: Annotated[int, Pending(1)] = 1
    """Steps between two places of a filter."""
    padding: Annotated[Literal["valid", "same"], Pending("same")] = "same"
    """Whether a convolution keeps the number of steps."""
    dilation_rate: Annotated[int, Pending(1)] = 1
    """Steps between two weights of a filter."""
    pool_strides: PendingNull = None
    """Steps between two places of the pooling; null for its width."""
    pool_padding: Annotated[Literal["valid", "same"], Pending("same")] = "same"
    """Whether the last steps are pooled that are fewer than its width."""

    @property
    def convolutions(self) -> StackedCNNSpec:
        """The convolutions as an encoder of their own has them."""
        same = ("num_conv_layers", "conv_layers", "num_filters", "filter_size", "pool_function", "pool_size",
                "use_bias", "bias_initializer", "weights_initializer")  # fmt: skip
        return StackedCNNSpec(
            activation=self.conv_activation, dropout=self.conv_dropout, **{name: getattr(self, name) for name in same}
        )


@ENCODERS.register("transformer", "text", "sequence", "timeseries")
class SequenceTransformerSpec(StackedDenseSpec):
    """Symbols and learned places, transformer layers, reduced (Vaswani et al. 2017)."""

    type: Literal["transformer"] = "transformer"
    """Name of the encoder."""
    dropout: Probability = 0.1
    """Probability that a unit is set to zero while training."""
    num_layers: PositiveInt = 1
    """Number of transformer layers."""
    hidden_size: PositiveInt = 256
    """Units of a step; a multiple of `num_heads`."""
    num_heads: PositiveInt = 8
    """Number of attention heads."""
    transformer_output_size: PositiveInt = 256
    """Units of the feed-forward part of a layer."""
    use_rope: PendingFalse = False
    """Whether places are told by rotation."""

    @model_validator(mode="after")
    def _heads_share_a_step(self) -> SequenceTransformerSpec:
        if self.hidden_size % self.num_heads:
            message = f"{self.hidden_size} is no multiple of num_heads, which is {self.num_heads}"
            raise clash("hidden_size", message, f"a multiple of {self.num_heads}")
        return self
