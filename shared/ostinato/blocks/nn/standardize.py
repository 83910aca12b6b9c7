"""Numbers on a scale that networks like. N rows, T places."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """Numbers minus their mean, over their deviation, both of training rows; NaN becomes 0."""

    mean: Tensor
    inverse_deviation: Tensor

    def __init__(self, length: int = 1) -> None:
        """`length` T gives each place a mean of its own; 1 gives all the same. The deviation is one for all."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("inverse_deviation", torch.ones(()))

    def fit(self, x: Tensor) -> None:
        """Takes mean and deviation from [N, T]; NaN is left out."""
        self.mean.copy_((x if len(self.mean) > 1 else x.reshape(-1, 1)).nanmean(dim=0).nan_to_num(0))
        deviation = (x - self.mean).square().nanmean().sqrt()
        self.inverse_deviation.copy_(1 / deviation if deviation > 1e-8 else torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """[N, T] -> [N, T]."""
        return torch.where(x.isnan(), 0.0, (x - self.mean) * self.inverse_deviation)
