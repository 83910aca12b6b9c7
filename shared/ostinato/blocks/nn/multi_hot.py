"""Codes of a set as one unit for each symbol."""

from __future__ import annotations

import torch
from torch import Tensor


def multi_hot(codes: Tensor, size: int) -> Tensor:
    """[N, T] codes, filled up with -1 -> [N, size] float32, 1 for each code that a row has."""
    has = torch.zeros(len(codes), size + 1, device=codes.device)
    return has.scatter_(1, codes.long() + 1, 1.0)[:, 1:]
