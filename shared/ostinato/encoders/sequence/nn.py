"""Encoders of a sequence of codes. N rows, T steps, V codes, D units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.activations import activation, units_before
from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.nn.norms import norm
from ostinato.blocks.nn.reduce import Pool, Reducer, reducer, takes_any_length
from ostinato.blocks.spec import FCLayerSpec, FCStackSpec, Initializer
from ostinato.encoders.sequence.spec import ConvLayerSpec, EmbedSpec, ParallelCNNSpec, SequenceEncoderSpec
from ostinato.errors import ConfigError, Problem, listing
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape

_DEFAULT_WIDTHS = (2, 3, 4, 5)
_POOLS = ("max", "mean", "avg", "sum", "last")
_DEFAULT_FC_SIZES = (512, 256)


class Symbols(nn.Module):
    """A vector for each step; padding is 0."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape, initializer: Initializer | None) -> None:
        super().__init__()
        is_sparse = spec.representation == "sparse"
        self.size = shape.vocab_size if is_sparse else min(spec.embedding_size, shape.vocab_size)
        self.table = embedding(
            shape.vocab_size,
            self.size,
            "identity" if is_sparse else initializer,
            trainable=spec.embeddings_trainable and not is_sparse,
        )
        self.dropout = nn.Dropout(spec.dropout) if spec.dropout else nn.Identity()

    def forward(self, column: Tensor, mask: Tensor) -> Tensor:
        """[N, T] codes, [N, T] -> [N, T, D]."""
        vectors: Tensor = self.dropout(self.table(column))
        return vectors * mask.unsqueeze(-1)


class SequenceEncoder(Encoder):
    """An encoder that knows which steps are padding."""

    def __init__(self, spec: SequenceEncoderSpec, shape: Shape) -> None:
        super().__init__()
        if spec.max_sequence_length is not None and spec.max_sequence_length < shape.length:
            raise ConfigError(
                Problem(
                    "encoder.max_sequence_length",
                    f"found {spec.max_sequence_length}, but the sequences have {shape.length} steps",
                    hint="set preprocessing.max_sequence_length",
                )
            )
        self.padding_code = shape.padding_code

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return column != self.padding_code


@implements(EmbedSpec)
class Embed(SequenceEncoder):
    """A vector for each step, reduced over the sequence."""

    def __init__(self, spec: EmbedSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.symbols = Symbols(spec, shape, spec.weights_initializer)
        self.reduce = reducer(spec.reduce_output, shape.length, self.symbols.size)
        self.skips_padding = takes_any_length(self.reduce)
        self.output_shape = _output_shape(self.reduce, shape.length, self.symbols.size)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T, D]."""
        mask = self.mask(column)
        vectors: Tensor = self.symbols(column, mask)
        return vectors if self.reduce is None else self.reduce(vectors, mask)


@implements(ParallelCNNSpec)
class ParallelCNN(SequenceEncoder):
    """Convolutions of several widths side by side, reduced over the sequence, then fully connected (Kim 2014)."""

    def __init__(self, spec: ParallelCNNSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.symbols = Symbols(spec, shape, None) if spec.should_embed else None
        size = self.symbols.size if self.symbols else 1
        layers = _conv_layers(spec)
        self.convolutions = nn.ModuleList(Convolution(layer, spec, size) for layer in layers)
        filters = sum(layer.num_filters or spec.num_filters for layer in layers)
        self.pool_size = _common_pool_size(layers)
        length = shape.length // self.pool_size
        if not length:
            raise ConfigError(
                Problem(
                    "encoder.pool_size", f"found {self.pool_size}", f"at most the length of a sequence, {shape.length}"
                )
            )
        self.reduce = reducer(spec.reduce_output, length, filters)
        self.skips_padding = takes_any_length(self.reduce) and self.pool_size == 1
        self.stack = FCStack(_fc_spec(spec), self.reduce.output_size) if self.reduce is not None else None
        self.output_shape = (self.stack.output_size,) if self.stack is not None else (length, filters)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step (after pooling) has anything but padding."""
        mask = super().mask(column)
        steps = mask.shape[1] // self.pool_size
        return mask[:, : steps * self.pool_size].reshape(-1, steps, self.pool_size).any(dim=-1)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T / pool_size, D]."""
        steps = super().mask(column)
        x = self.symbols(column, steps) if self.symbols else (column.to(torch.float32) * steps).unsqueeze(-1)
        mask = self.mask(column)
        hidden = [convolution(x, steps) for convolution in self.convolutions]
        if self.reduce is None:
            return torch.cat(hidden, dim=-1) * mask.unsqueeze(-1)
        assert self.stack is not None
        if isinstance(self.reduce, Pool):
            # Filter by filter, so what is large need not be put side by side.
            reduced = torch.cat([self.reduce(filtered, mask) for filtered in hidden], dim=-1)
        else:
            reduced = self.reduce(torch.cat(hidden, dim=-1), mask)
        encoded: Tensor = self.stack(reduced)
        return encoded


class Convolution(nn.Module):
    """A convolution of one width over time, norm, activation, dropout, pooling; keeps the number of steps."""

    def __init__(self, layer: ConvLayerSpec, spec: ParallelCNNSpec, input_size: int) -> None:
        super().__init__()
        filters = layer.num_filters or spec.num_filters
        width = layer.filter_size or spec.filter_size
        name = layer.activation or spec.activation
        units = units_before(name, filters)
        self.left, self.right = (width - 1) // 2, width // 2
        self.convolution = nn.Conv1d(input_size, units, width, bias=spec.use_bias)
        initialize(self.convolution.weight, spec.weights_initializer)
        if self.convolution.bias is not None:
            initialize(self.convolution.bias, spec.bias_initializer)
        norm_name = layer.norm or spec.norm
        parts: list[nn.Module] = []
        if norm_name is not None:
            parts.append(norm(norm_name, units, layer.norm_params or spec.norm_params))
        if name is not None:
            parts.append(activation(name))
        dropout = spec.dropout if layer.dropout is None else layer.dropout
        if dropout:
            parts.append(nn.Dropout(dropout))
        self.after = nn.Sequential(*parts)
        self.pool_size = layer.pool_size or 1
        function = layer.pool_function or spec.pool_function or "max"
        if self.pool_size > 1 and function not in _POOLS:
            raise ConfigError(Problem("encoder.pool_function", f"found '{function}'", listing(_POOLS)))
        self.pool = Pool(function, filters)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, T, I], [N, T] -> [N, T / pool_size, D]; where there is only padding, anything."""
        # As an image of one row, whose units lie side by side as they do here: oneDNN need not turn them around, which
        # takes a quarter of the time.
        image = nn.functional.pad(x, (0, 0, self.left, self.right)).transpose(1, 2).unsqueeze(2)
        convolved = nn.functional.conv2d(image, self.convolution.weight.unsqueeze(2), self.convolution.bias)
        hidden: Tensor = self.after(convolved.squeeze(2).transpose(1, 2))
        if self.pool_size == 1:
            return hidden
        steps = hidden.shape[1] // self.pool_size
        used = steps * self.pool_size
        windows = hidden[:, :used].reshape(-1, self.pool_size, hidden.shape[2])
        pooled: Tensor = self.pool(windows, mask[:, :used].reshape(-1, self.pool_size))
        return pooled.view(-1, steps, hidden.shape[2])


def _conv_layers(spec: ParallelCNNSpec) -> tuple[ConvLayerSpec, ...]:
    if spec.conv_layers is not None:
        layers = spec.conv_layers
    elif spec.num_conv_layers is not None:
        layers = (ConvLayerSpec(),) * spec.num_conv_layers
    else:
        layers = tuple(ConvLayerSpec(filter_size=width) for width in _DEFAULT_WIDTHS)
    return tuple(layer.model_copy(update={"pool_size": layer.pool_size or spec.pool_size}) for layer in layers)


def _common_pool_size(layers: tuple[ConvLayerSpec, ...]) -> int:
    sizes = {layer.pool_size or 1 for layer in layers}
    if len(sizes) != 1:
        raise ConfigError(
            Problem(
                "encoder.conv_layers",
                f"found pool sizes {sorted(sizes)}",
                "one pool_size, as the layers are joined",
            )
        )
    return sizes.pop()


def _fc_spec(spec: ParallelCNNSpec) -> FCStackSpec:
    layers = spec.fc_layers
    if layers is None and spec.num_fc_layers is None:
        layers = tuple(FCLayerSpec(output_size=size) for size in _DEFAULT_FC_SIZES)
    return FCStackSpec.of(spec, num_layers=spec.num_fc_layers or 0, fc_layers=layers)


def _output_shape(reduce: Reducer | None, length: int, size: int) -> tuple[int, ...]:
    return (length, size) if reduce is None else (reduce.output_size,)
