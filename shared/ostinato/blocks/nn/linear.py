"""Linear layers: plain, and of an ensemble that shares its weights. N rows, E members, I input units, D units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.spec import Initializer

_SMALL_BATCH = 64
"""Rows below which scaling the units is faster than scaling the weights (by half at 32 rows)."""


@dataclass(frozen=True)
class Start:
    """How the weights of a layer start."""

    use_bias: bool = True
    """Whether there is a bias."""
    weights: Initializer = "xavier_uniform"
    """How the weights start."""
    bias: Initializer = "zeros"
    """How the bias starts."""


def linear(input_size: int, output_size: int, start: Start = Start()) -> nn.Linear:
    """A linear layer, initialized."""
    layer = nn.Linear(input_size, output_size, bias=start.use_bias)
    initialize(layer.weight, start.weights)
    if start.use_bias:
        initialize(layer.bias, start.bias)
    return layer


class EnsembleLinear(nn.Module):
    """A linear layer of E members: one weight for all; input scale, output scale and bias of their own.

    BatchEnsemble (Wen et al. 2020) as TabM has it (Gorishniy et al. 2025, section 3.3): only the first layer's input
    scales differ at the start, by random signs, equal within each section of the input (the units of one feature).
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        num_members: int,
        start: Start,
        sections: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(output_size, input_size))
        initialize(self.weight, start.weights)
        signs = torch.ones(num_members, input_size) if sections is None else random_signs(num_members, sections)
        self.input_scale = nn.Parameter(signs)
        self.output_scale = nn.Parameter(torch.ones(num_members, output_size))
        self.bias = nn.Parameter(torch.empty(num_members, output_size)) if start.use_bias else None
        if self.bias is not None:
            first = torch.empty(output_size)
            initialize(first, start.bias)
            with torch.no_grad():
                self.bias.copy_(first)

    def forward(self, x: Tensor) -> Tensor:
        """[N, E, I] (or [N, 1, I] for the same input for all) -> [N, E, D]."""
        if self.training and x.shape[0] < _SMALL_BATCH:
            hidden = F.linear(x * self.input_scale, self.weight) * self.output_scale
            return hidden if self.bias is None else hidden + self.bias
        # The scales go into the weights [E, D, I], which are fewer than the units of a large batch.
        weights = self.output_scale.unsqueeze(2) * self.weight * self.input_scale.unsqueeze(1)
        if x.shape[1] == 1:
            bias = None if self.bias is None else self.bias.flatten()
            return F.linear(x.squeeze(1), weights.flatten(0, 1), bias).view(-1, *self.output_scale.shape)
        return _by_member(x, weights.transpose(1, 2), self.bias)


class MemberLinear(nn.Module):
    """E linear layers with nothing in common."""

    def __init__(self, input_size: int, output_size: int, num_members: int, start: Start) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_members, input_size, output_size))
        self.bias = nn.Parameter(torch.empty(num_members, output_size)) if start.use_bias else None
        with torch.no_grad():
            for member in range(num_members):
                initialize(self.weight[member].t(), start.weights)
                if self.bias is not None:
                    initialize(self.bias[member], start.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[N, E, I] -> [N, E, D]."""
        return _by_member(x, self.weight, self.bias)


class FeatureLinear(nn.Module):
    """A linear layer for each of F features, in one operation."""

    def __init__(self, num_features: int, input_size: int, output_size: int) -> None:
        super().__init__()
        bound = input_size**-0.5
        self.weight = nn.Parameter(torch.empty(num_features, input_size, output_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_features, output_size).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """[N, F, I] -> [N, F, D]."""
        return _by_member(x, self.weight, self.bias)


def _by_member(x: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    """[N, E, I], [E, I, D], [E, D] -> [N, E, D]."""
    if bias is None:
        return torch.bmm(x.transpose(0, 1), weights).transpose(0, 1)
    return torch.baddbmm(bias.unsqueeze(1), x.transpose(0, 1), weights).transpose(0, 1)


def random_signs(num_members: int, sections: Sequence[int]) -> Tensor:
    """[E, sum of sections] of 1 and -1, constant within a section."""
    signs = torch.randint(0, 2, (num_members, len(sections))).to(torch.float32) * 2 - 1
    return signs.repeat_interleave(torch.tensor(sections, dtype=torch.long), dim=1)
