"""Features as tokens of one size. N rows, F features, T steps of a sequence, D units of a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.linear import FeatureLinear
from ostinato.module import Block


class Tokens(nn.Module):
    """A token a feature, or a step of a sequence that is not reduced; each feature has a projection of its own."""

    def __init__(self, blocks: Sequence[Block], size: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Linear(block.size, size) if block.is_sequence else FeatureLinear(len(block.features), block.size, size)
            for block in blocks
        )
        self.owners = [
            owner
            for block in blocks
            for owner in (block.features * block.length if block.is_sequence else block.features)
        ]
        """The feature of each token."""

    def __len__(self) -> int:
        return len(self.owners)

    def forward(self, encodings: Sequence[Tensor]) -> Tensor:
        """[N, F, I] or [N, T, I] each -> [N, tokens, D]."""
        return torch.cat(
            [project(encoding) for project, encoding in zip(self.projections, encodings, strict=True)], dim=1
        )


def token_mask(encodings: Sequence[Tensor], masks: Sequence[Tensor | None], *, first: int = 0) -> Tensor | None:
    """[N, first + tokens] true where a token is no padding; None where none is. `first` tokens stand before them.

    Of a row of nothing but padding all is seen, since attention to nothing is no number.
    """
    if all(mask is None for mask in masks):
        return None
    rows, device = encodings[0].shape[0], encodings[0].device
    seen = [torch.ones(rows, first, dtype=torch.bool, device=device)] if first else []
    for encoding, known in zip(encodings, masks, strict=True):
        seen.append(torch.ones(encoding.shape[:2], dtype=torch.bool, device=device) if known is None else known)
    mask = torch.cat(seen, dim=1)
    return mask | ~mask.any(dim=1, keepdim=True)


def vectors(encodings: Sequence[Tensor]) -> Tensor:
    """[N, F, D] or [N, T, D] each -> [N, all units]."""
    return torch.cat([encoding.flatten(1) for encoding in encodings], dim=1)


def num_units(blocks: Sequence[Block]) -> int:
    """Units of `vectors`."""
    return sum(block.size * (block.length if block.is_sequence else len(block.features)) for block in blocks)
