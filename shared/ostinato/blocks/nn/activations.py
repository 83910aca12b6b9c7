"""Activations by name. D units."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.blocks.spec import Activation

GATED: dict[str, Callable[[Tensor], Tensor]] = {"swiglu": F.silu, "geglu": F.gelu, "reglu": F.relu}
"""Activations that halve their input (Shazeer 2020)."""


class Gated(nn.Module):
    """One half of the units, activated, times the other half: [..., 2 D] -> [..., D]."""

    def __init__(self, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """[..., 2 D] -> [..., D]."""
        gate, value = x.chunk(2, dim=-1)
        return self.gate(gate) * value


class Sparsemax(nn.Module):
    """Projection of the last dimension onto the simplex."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D] of sum 1."""
        return sparsemax(x)


class Entmax15(nn.Module):
    """1.5-entmax of the last dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D] of sum 1."""
        return entmax15(x)


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "leakyRelu": nn.LeakyReLU,
    "logSigmoid": nn.LogSigmoid,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=-1),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "prelu": nn.PReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "softplus": nn.Softplus,
    "celu": nn.CELU,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
}


def activation(name: Activation) -> nn.Module:
    """The module of that name; those in `GATED` give half as many units as they get."""
    return Gated(GATED[name]) if name in GATED else _ACTIVATIONS[name]()


def units_before(name: Activation | None, units: int) -> int:
    """Units that a layer must give so that its activation gives `units`."""
    return 2 * units if name in GATED else units


def sparsemax(x: Tensor) -> Tensor:
    """[..., K] -> [..., K]: the nearest probabilities, many of them 0 (Martins and Astudillo 2016, algorithm 1)."""
    x = x - x.amax(dim=-1, keepdim=True)
    ordered = x.detach().sort(dim=-1, descending=True).values
    rank = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
    size = (1 + rank * ordered > ordered.cumsum(dim=-1)).sum(dim=-1, keepdim=True)
    support = (x >= ordered.gather(-1, size - 1)).to(x.dtype)
    threshold = ((x * support).sum(dim=-1, keepdim=True) - 1) / support.sum(dim=-1, keepdim=True)
    return torch.relu(x - threshold)


def entmax15(x: Tensor) -> Tensor:
    """[..., K] -> [..., K]: probabilities between softmax and sparsemax (Peters et al. 2019, algorithm 2)."""
    x = (x - x.amax(dim=-1, keepdim=True)) / 2
    ordered = x.detach().sort(dim=-1, descending=True).values
    rank = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
    mean = ordered.cumsum(dim=-1) / rank
    spread = (ordered.square().cumsum(dim=-1) / rank - mean.square()) * rank
    thresholds = mean - ((1 - spread) / rank).clamp_min(0).sqrt()
    size = (thresholds <= ordered).sum(dim=-1, keepdim=True)
    # The threshold anew from the support alone: the root above has no gradient where it is 0.
    support = (x >= ordered.gather(-1, size - 1)).to(x.dtype)
    count = support.sum(dim=-1, keepdim=True)
    centre = (x * support).sum(dim=-1, keepdim=True) / count
    around = ((x - centre).square() * support).sum(dim=-1, keepdim=True)
    threshold = centre - ((1 - around) / count).clamp_min(1e-12).sqrt()
    return torch.relu(x - threshold).square()
