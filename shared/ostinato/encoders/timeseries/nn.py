"""Encoders of series alone. N rows, T steps, P patches, D units. A series is filled up with NaN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.reduce import Pool, reducer
from ostinato.blocks.nn.standardize import Standardize
from ostinato.blocks.nn.transformer import TransformerLayer
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.timeseries.spec import NBeatsSpec, PatchTSTSpec, SeriesPassthroughSpec
from ostinato.errors import ConfigError, Problem
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape


class SeriesEncoder(Encoder):
    """An encoder that sees standardized numbers, 0 where there is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.standardize = Standardize()

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Takes the mean and deviation of [N, T] numbers."""
        self.standardize.fit(column)


@implements(SeriesPassthroughSpec)
class SeriesPassthrough(SeriesEncoder):
    """The numbers, one unit a step."""

    def __init__(self, spec: SeriesPassthroughSpec, shape: Shape) -> None:
        super().__init__()
        self.reduce = reducer(spec.reduce_output, shape.length, 1)
        self.output_shape = (shape.length, 1) if self.reduce is None else (self.reduce.output_size,)

    def mask(self, column: Tensor) -> Tensor:
        """[N, T] true where a step is no padding."""
        return ~column.isnan()

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, T, 1] or [N, D]."""
        steps: Tensor = self.standardize(column).unsqueeze(-1)
        return steps if self.reduce is None else self.reduce(steps, self.mask(column))


@implements(PatchTSTSpec)
class PatchTST(SeriesEncoder):
    """A transformer over overlapping patches (Nie et al. 2023); the level of a series is kept, not normalized away."""

    def __init__(self, spec: PatchTSTSpec, shape: Shape) -> None:
        super().__init__()
        if spec.patch_size > shape.length:
            found = f"found {spec.patch_size}, but the series have {shape.length} steps"
            raise ConfigError(Problem("encoder.patch_size", found, f"at most {shape.length}"))
        self.size, self.stride = spec.patch_size, spec.patch_stride
        # The last patch may reach over the end: no step is lost.
        num_patches = -(-(shape.length - self.size) // self.stride) + 1
        self.overhang = (num_patches - 1) * self.stride + self.size - shape.length
        self.project = nn.Linear(self.size, spec.d_model)
        self.places = embedding(num_patches, spec.d_model)
        self.layers = nn.ModuleList(
            TransformerLayer(spec.d_model, spec.num_heads, spec.ffn_dim, spec.dropout) for _ in range(spec.num_layers)
        )
        self.norm = nn.LayerNorm(spec.d_model)
        self.is_first = spec.reduce_output == "first"
        self.reduce = Pool(spec.reduce_output, spec.d_model)
        self.last = nn.Linear(spec.d_model, spec.output_size)
        self.output_shape = (spec.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D]."""
        known = nn.functional.pad(~column.isnan(), (0, self.overhang))
        numbers = nn.functional.pad(self.standardize(column), (0, self.overhang))
        mask = known.unfold(1, self.size, self.stride).any(dim=-1)
        x = self.project(numbers.unfold(1, self.size, self.stride)) + self.places.weight
        # Of a series of nothing but padding all is seen, since attention to nothing is no number.
        seen = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        hidden = self.norm(x)
        if self.is_first:
            first = mask.to(torch.int32).argmax(dim=1)
            reduced = hidden.gather(1, first.view(-1, 1, 1).expand(-1, 1, hidden.shape[2])).squeeze(1)
        else:
            reduced = self.reduce(hidden, mask)
        encoded: Tensor = self.last(reduced)
        return encoded


@implements(NBeatsSpec)
class NBeats(SeriesEncoder):
    """Blocks of fully connected layers with residuals of two kinds (Oreshkin et al. 2020, section 3.2)."""

    def __init__(self, spec: NBeatsSpec, shape: Shape) -> None:
        super().__init__()
        layers = FCStackSpec(output_size=spec.layer_size, num_layers=spec.num_layers, dropout=spec.dropout)
        count = spec.num_stacks * spec.num_blocks
        self.blocks = nn.ModuleList(FCStack(layers, shape.length) for _ in range(count))
        # What the last block leaves of the series nobody sees.
        self.backcasts = nn.ModuleList(nn.Linear(spec.layer_size, shape.length) for _ in range(count - 1))
        self.forecasts = nn.ModuleList(nn.Linear(spec.layer_size, spec.output_size) for _ in range(count))
        self.output_shape = (spec.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, D]."""
        rest, known = self.standardize(column), ~column.isnan()
        encoded: Tensor | None = None
        for number, (block, forecast) in enumerate(zip(self.blocks, self.forecasts, strict=True)):
            hidden = block(rest)
            encoded = forecast(hidden) if encoded is None else encoded + forecast(hidden)
            if number < len(self.backcasts):
                rest = (rest - self.backcasts[number](hidden)) * known
        assert encoded is not None
        return encoded
