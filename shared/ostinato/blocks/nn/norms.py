"""Normalization of units. N rows, T steps or members, D units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.blocks.spec import Norm
from ostinato.errors import ConfigError, Problem, did_you_mean, listing

_BATCH_PARAMS = ("eps", "momentum", "affine", "track_running_stats")
_PARAMS: dict[str, tuple[str, ...]] = {
    "batch": _BATCH_PARAMS,
    "layer": ("eps", "elementwise_affine", "bias"),
    "ghost": ("virtual_batch_size", *_BATCH_PARAMS),
}


def norm(name: Norm, size: int, params: dict[str, Any] | None = None) -> nn.Module:
    """The normalization of that name over the last dimension of [N, D] or [N, T, D].

    Raises:
        ConfigError: a parameter that the normalization does not have.
    """
    params = params or {}
    unknown = [key for key in params if key not in _PARAMS[name]]
    if unknown:
        raise ConfigError(
            Problem(
                "norm_params",
                f"the normalization '{name}' has no parameter '{key}'",
                listing(_PARAMS[name]),
                did_you_mean(key, _PARAMS[name]),
            )
            for key in unknown
        )
    try:
        match name:
            case "batch":
                return BatchNorm(size, **params)
            case "layer":
                return nn.LayerNorm(size, **params)
            case "ghost":
                return GhostBatchNorm(size, **params)
    except TypeError as error:
        raise ConfigError(Problem("norm_params", f"a value has the wrong type: {error}")) from error


class BatchNorm(nn.Module):
    """Batch normalization; steps and members count as rows. A single row is normalized as in evaluation."""

    def __init__(self, size: int, **params: Any) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size, **params)

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] or [N, T, D] -> the same shape."""
        rows = x.flatten(0, -2)
        if self.training and rows.shape[0] == 1:
            # One row has no variance; torch refuses it.
            norm = self.norm
            return torch.nn.functional.batch_norm(
                rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=norm.running_mean is None
            ).view(x.shape)
        normalized: Tensor = self.norm(rows)
        return normalized.view(x.shape)


class GhostBatchNorm(nn.Module):
    """Batch normalization over parts of the batch (Hoffer et al. 2017)."""

    def __init__(self, size: int, virtual_batch_size: int = 128, **params: Any) -> None:
        super().__init__()
        self.virtual_batch_size = virtual_batch_size
        self.norm = BatchNorm(size, **params)

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] or [N, T, D] -> the same shape."""
        if not self.training or x.shape[0] <= self.virtual_batch_size:
            normalized: Tensor = self.norm(x)
            return normalized
        parts = x.tensor_split(-(-x.shape[0] // self.virtual_batch_size))
        return torch.cat([self.norm(part) for part in parts])
