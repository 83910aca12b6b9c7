"""Encoders of numbers by quantiles and waves. N rows, F features, B bins, D units.

All features of one spec are encoded side by side. Bin edges lie in encoded units; quantiles are those of the rows that
`fit` gets, edges that the config gives are converted from the column's own units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.blocks.nn.linear import FeatureLinear
from ostinato.encoders.number.spec import BinsSpec, PeriodicSpec, PLESpec
from ostinato.errors import ConfigError, Problem
from ostinato.module import GroupEncoder
from ostinato.registry import implements
from ostinato.shape import Shape

_TAIL = 4.0
"""Deviations from the mean beyond which PLE sees no difference, so that outliers neither carry its line away nor
stretch its outer bins."""


@implements(PLESpec)
class PLE(GroupEncoder):
    """Piecewise linear encoding (Gorishniy et al. 2022, eq. 1) through a linear layer, plus a line.

    The layer over the bins starts at 0: at first the encoding is a line, which little data can support. Beyond the
    outer edges the encoding stays what it is at the edge.
    """

    lower: Tensor
    inverse_width: Tensor
    centre: Tensor
    inverse_scale: Tensor

    def __init__(self, spec: PLESpec, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.output_size = spec.output_size
        edges = _given_edges(spec.ple_bin_edges, "ple_bin_edges", shapes)
        self.num_bins = spec.num_bins if edges is None else edges.shape[1] - 1
        self.is_given = edges is not None
        num_features = len(shapes)
        self.register_buffer("lower", torch.zeros(num_features, self.num_bins))
        self.register_buffer("inverse_width", torch.zeros(num_features, self.num_bins))
        self.register_buffer("centre", torch.zeros(num_features))
        self.register_buffer("inverse_scale", torch.ones(num_features))
        bound = spec.output_size**-0.5
        self.bins = nn.Parameter(torch.zeros(num_features, self.num_bins, spec.output_size))
        self.slope = nn.Parameter(torch.empty(num_features, spec.output_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_features, spec.output_size).uniform_(-bound, bound))
        for feature in range(num_features):
            self._set_edges(feature, torch.linspace(-1, 1, 3) if edges is None else edges[feature])

    def fit(self, columns: Tensor) -> None:
        """Takes the edges, mean and deviation from training rows [N, F]."""
        for feature, column in enumerate(columns.unbind(dim=1)):
            centre, deviation = column.mean(), column.std(correction=0)
            scale = deviation if deviation > 1e-8 else torch.ones_like(deviation)
            self.centre[feature] = centre
            self.inverse_scale[feature] = 1 / scale
            if not self.is_given:
                near = column.clamp(centre - _TAIL * scale, centre + _TAIL * scale)
                self._set_edges(feature, quantile_edges(near, self.num_bins))

    def forward(self, columns: Tensor) -> Tensor:
        """[N, F] -> [N, F, D]."""
        filled = ((columns.unsqueeze(-1) - self.lower) * self.inverse_width).clamp(0, 1)
        hidden = torch.baddbmm(self.bias.unsqueeze(1), filled.transpose(0, 1), self.bins).transpose(0, 1)
        line = ((columns - self.centre) * self.inverse_scale).clamp(-_TAIL, _TAIL)
        return torch.addcmul(hidden, line.unsqueeze(-1), self.slope)

    def _set_edges(self, feature: int, edges: Tensor) -> None:
        # Bins that are left over have an inverse width of 0, so they stay empty.
        self.lower[feature] = 0
        self.inverse_width[feature] = 0
        self.lower[feature, : len(edges) - 1] = edges[:-1]
        self.inverse_width[feature, : len(edges) - 1] = 1 / (edges[1:] - edges[:-1])


@implements(PeriodicSpec)
class Periodic(GroupEncoder):
    """ReLU of a linear layer over sines and cosines of learned frequencies (Gorishniy et al. 2022, section 3.3)."""

    def __init__(self, spec: PeriodicSpec, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.output_size = spec.output_size
        self.frequencies = nn.Parameter(torch.randn(len(shapes), spec.num_frequencies) * spec.sigma)
        self.linear = FeatureLinear(len(shapes), 2 * spec.num_frequencies, spec.output_size)

    def forward(self, columns: Tensor) -> Tensor:
        """[N, F] -> [N, F, D]."""
        angles = 2 * math.pi * columns.unsqueeze(-1) * self.frequencies
        return torch.relu(self.linear(torch.cat([angles.cos(), angles.sin()], dim=-1)))


@implements(BinsSpec)
class Bins(GroupEncoder):
    """A learned vector for each bin. A value on an edge belongs to the bin above it."""

    inner: Tensor
    first_code: Tensor

    def __init__(self, spec: BinsSpec, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.output_size = spec.output_size
        edges = _given_edges(spec.bins_bin_edges, "bins_bin_edges", shapes)
        num_bins = spec.num_bins if edges is None else edges.shape[1] - 1
        self.num_bins = num_bins
        self.is_given = edges is not None
        self.register_buffer("inner", torch.full((len(shapes), num_bins - 1), math.inf))
        self.register_buffer("first_code", torch.arange(len(shapes)) * num_bins, persistent=False)
        self.table = nn.Parameter(torch.randn(len(shapes) * num_bins, spec.output_size) * spec.output_size**-0.5)
        if edges is not None:
            self.inner.copy_(edges[:, 1:-1])

    def fit(self, columns: Tensor) -> None:
        """Takes the edges from training rows [N, F]."""
        if self.is_given:
            return
        self.inner.fill_(math.inf)
        for feature, column in enumerate(columns.unbind(dim=1)):
            inner = quantile_edges(column, self.num_bins)[1:-1]
            self.inner[feature, : len(inner)] = inner

    def forward(self, columns: Tensor) -> Tensor:
        """[N, F] -> [N, F, D]."""
        codes = (columns.unsqueeze(-1) >= self.inner).sum(dim=-1) + self.first_code
        return F.embedding(codes, self.table)


def quantile_edges(column: Tensor, num_bins: int) -> Tensor:
    """[N] values -> edges of at most `num_bins` bins, rising: quantiles, or the values themselves where they are few.

    A column of one value gets one bin around it.
    """
    values = column[torch.isfinite(column)].double().sort().values
    distinct = values[_differs(values)]
    if len(distinct) > num_bins + 1:
        position = torch.linspace(0, len(values) - 1, num_bins + 1, dtype=torch.float64)
        low, high = values[position.floor().long()], values[position.ceil().long()]
        distinct = torch.lerp(low, high, position - position.floor())
    # In the network's own precision: bins that vanish in it are no bins.
    edges = distinct.float()
    edges = edges[_differs(edges)]
    if len(edges) < 2:
        middle = edges[0] if len(edges) else torch.zeros(())
        edges = torch.stack([middle - 1, middle + 1])
    return edges


def _differs(values: Tensor) -> Tensor:
    """[N] sorted values -> [N] true where a value is not the one before it."""
    first = torch.ones(min(len(values), 1), dtype=torch.bool, device=values.device)
    return torch.cat([first, values[1:] != values[:-1]])


def _given_edges(given: tuple[float, ...] | None, field: str, shapes: Sequence[Shape]) -> Tensor | None:
    """[F, B + 1] edges that the config gives, in encoded units; None where it gives none."""
    if given is None:
        return None
    edges = torch.tensor([[shape.encoded(edge) for edge in given] for shape in shapes])
    if not torch.isfinite(edges).all():
        raise ConfigError(
            Problem(
                f"encoder.{field}",
                f"found {list(given)}",
                "numbers above -1, where the scale is log1p",
            )
        )
    return edges
