"""Convolutions over time, side by side and one after another. N rows, T steps, I input units, D units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.activations import activation, units_before
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.nn.norms import norm
from ostinato.blocks.nn.reduce import Pool, reducer, takes_any_length
from ostinato.blocks.spec import FCLayerSpec, FCStackSpec
from ostinato.encoders.sequence.nn.steps import SequenceEncoder
from ostinato.encoders.sequence.spec import (
    ConvLayerSpec,
    ConvolutionSpec,
    ParallelCNNSpec,
    StackedCNNSpec,
    StackedParallelCNNSpec,
)
from ostinato.errors import ConfigError, Problem, listing
from ostinato.registry import implements
from ostinato.shape import Shape

_DEFAULT_WIDTHS = (2, 3, 4, 5)
_STACKED = ((7, 3), (7, 3), (3, None), (3, None), (3, None), (3, 3))
"""Width and pooling of the layers of stacked_cnn, where the config does not say (Zhang et al. 2015)."""
_DEFAULT_STACKS = 3
POOLS = ("max", "mean", "avg", "sum", "last")
_DEFAULT_FC_SIZES = (512, 256)


class Convolution(nn.Module):
    """A convolution of one width over time, norm, activation, dropout, pooling; keeps the number of steps."""

    def __init__(self, layer: ConvLayerSpec, spec: ConvolutionSpec, input_size: int) -> None:
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
        if self.pool_size > 1 and function not in POOLS:
            raise ConfigError(Problem("encoder.pool_function", f"found '{function}'", listing(POOLS)))
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


@implements(ParallelCNNSpec)
class ParallelCNN(SequenceEncoder):
    """Convolutions of several widths side by side, reduced over the sequence, then fully connected (Kim 2014)."""

    def __init__(self, spec: ParallelCNNSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        size = self.steps.size
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
        self.stack = FCStack(dense_layers(spec), self.reduce.output_size) if self.reduce is not None else None
        self.output_shape = (self.stack.output_size,) if self.stack is not None else (length, filters)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step (after pooling) has anything but padding."""
        mask = super().mask(column)
        steps = mask.shape[1] // self.pool_size
        return mask[:, : steps * self.pool_size].reshape(-1, steps, self.pool_size).any(dim=-1)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T / pool_size, D]."""
        own = super().mask(column)
        x = self.steps(column, own)
        mask = self.mask(column)
        hidden = [convolution(x, own) for convolution in self.convolutions]
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


class Stack(nn.Module):
    """Convolutions one after another, each of several side by side; a part of it may pool."""

    def __init__(self, layers: Sequence[Sequence[ConvLayerSpec]], spec: ConvolutionSpec, size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.pool_sizes: list[int] = []
        for side_by_side in layers:
            self.layers.append(nn.ModuleList(Convolution(layer, spec, size) for layer in side_by_side))
            self.pool_sizes.append(_common_pool_size(tuple(side_by_side)))
            size = sum(layer.num_filters or spec.num_filters for layer in side_by_side)
        self.output_size = size

    def length(self, steps: int) -> int:
        """Steps that are left of so many."""
        for pool_size in self.pool_sizes:
            steps = -(-steps // pool_size)
        return steps

    def mask(self, mask: Tensor) -> Tensor:
        """[N, T] -> [N, T'] true where a step has anything but padding."""
        for pool_size in self.pool_sizes:
            mask = _pooled(_filled(mask, pool_size), pool_size)
        return mask

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, T, I], [N, T] -> [N, T', D]; padding is 0."""
        for side_by_side, pool_size in zip(self.layers, self.pool_sizes, strict=True):
            assert isinstance(side_by_side, nn.ModuleList)
            x, mask = _filled(x, pool_size), _filled(mask, pool_size)
            hidden = torch.cat([convolution(x, mask) for convolution in side_by_side], dim=-1)
            mask = _pooled(mask, pool_size)
            # What a layer makes of padding must not reach the steps beside it in the next one.
            x = hidden * mask.unsqueeze(-1)
        return x


class StackEncoder(SequenceEncoder):
    """A stack of convolutions, reduced over the sequence, then fully connected."""

    def __init__(self, spec: ConvolutionSpec, shape: Shape, layers: Sequence[Sequence[ConvLayerSpec]]) -> None:
        super().__init__(spec, shape)
        self.stack = Stack(layers, spec, self.steps.size)
        length = self.stack.length(shape.length)
        self.reduce = reducer(spec.reduce_output, length, self.stack.output_size)
        self.skips_padding = takes_any_length(self.reduce) and set(self.stack.pool_sizes) == {1}
        self.dense = FCStack(dense_layers(spec), self.reduce.output_size) if self.reduce is not None else None
        size = self.stack.output_size
        self.output_shape = (length, size) if self.dense is None else (self.dense.output_size,)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T'] true where a step (after pooling) has anything but padding."""
        return self.stack.mask(super().mask(column))

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D] or [N, T', D]."""
        mask = super().mask(column)
        hidden: Tensor = self.stack(self.steps(column, mask), mask)
        if self.reduce is None:
            return hidden
        assert self.dense is not None
        encoded: Tensor = self.dense(self.reduce(hidden, self.stack.mask(mask)))
        return encoded


@implements(StackedCNNSpec)
class StackedCNN(StackEncoder):
    """Convolutions one after another (Zhang et al. 2015)."""

    def __init__(self, spec: StackedCNNSpec, shape: Shape) -> None:
        super().__init__(spec, shape, [[layer] for layer in stacked_layers(spec)])


@implements(StackedParallelCNNSpec)
class StackedParallelCNN(StackEncoder):
    """Convolutions of several widths side by side, several times one after another."""

    def __init__(self, spec: StackedParallelCNNSpec, shape: Shape) -> None:
        widths = tuple(ConvLayerSpec(filter_size=width) for width in _DEFAULT_WIDTHS)
        stacks = spec.stacked_layers or (widths,) * (spec.num_stacked_layers or _DEFAULT_STACKS)
        super().__init__(spec, shape, [_with_pool(stack, spec) for stack in stacks])


def stacked_layers(spec: StackedCNNSpec) -> tuple[ConvLayerSpec, ...]:
    """The layers that a spec asks for, one after another."""
    if spec.conv_layers is not None:
        layers = spec.conv_layers
    elif spec.num_conv_layers is not None:
        layers = (ConvLayerSpec(),) * spec.num_conv_layers
    else:
        layers = tuple(ConvLayerSpec(filter_size=width, pool_size=pool) for width, pool in _STACKED)
    return _with_pool(layers, spec)


def _with_pool(layers: Sequence[ConvLayerSpec], spec: ConvolutionSpec) -> tuple[ConvLayerSpec, ...]:
    return tuple(layer.model_copy(update={"pool_size": layer.pool_size or spec.pool_size}) for layer in layers)


def _filled(x: Tensor, multiple: int) -> Tensor:
    """[N, T] or [N, T, D] -> the same with steps of padding at the end, so that T is a multiple."""
    missing = -x.shape[1] % multiple
    if not missing:
        return x
    filling = x.new_zeros(x.shape[0], missing, *x.shape[2:])
    return torch.cat([x, filling], dim=1)


def _pooled(mask: Tensor, size: int) -> Tensor:
    """[N, T] -> [N, T / size] true where any of the steps is."""
    return mask if size == 1 else mask.reshape(mask.shape[0], -1, size).any(dim=-1)


def _conv_layers(spec: ParallelCNNSpec) -> tuple[ConvLayerSpec, ...]:
    if spec.conv_layers is not None:
        layers = spec.conv_layers
    elif spec.num_conv_layers is not None:
        layers = (ConvLayerSpec(),) * spec.num_conv_layers
    else:
        layers = tuple(ConvLayerSpec(filter_size=width) for width in _DEFAULT_WIDTHS)
    return _with_pool(layers, spec)


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


def dense_layers(spec: ConvolutionSpec) -> FCStackSpec:
    """The fully connected layers after the convolutions: two, where the config does not say."""
    layers = spec.fc_layers
    if layers is None and spec.num_fc_layers is None:
        layers = tuple(FCLayerSpec(output_size=size) for size in _DEFAULT_FC_SIZES)
    return FCStackSpec.of(spec, num_layers=spec.num_fc_layers or 0, fc_layers=layers)
