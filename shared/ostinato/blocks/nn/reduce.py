"""From a sequence to one vector. N rows, T steps, D units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.blocks.spec import ReduceMode


def reducer(mode: ReduceMode | None, length: int, size: int) -> Reducer | None:
    """The reduction of that name over [N, T, D]; None where the sequence stays as it is."""
    match mode:
        case None | "none" | "None":
            return None
        case "attention":
            return Attention(size)
        case "attention_pooling":
            return AttentionPooling(size)
        case "concat":
            return Concat(length * size)
        case _:
            return Pool(mode, size)


def takes_any_length(reduce: Reducer | None) -> bool:
    """Whether steps of padding make no difference to what comes out."""
    return reduce is not None and not isinstance(reduce, Concat)


class Reducer(nn.Module):
    """[N, T, D] and a mask of the steps that are no padding -> [N, output_size]."""

    def __init__(self, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[N, T, D], [N, T] -> [N, output_size]; a row of nothing but padding becomes 0."""
        raise AssertionError("each reduction says how")


class Pool(Reducer):
    """The last step, the sum, mean or maximum of the steps."""

    def __init__(self, mode: str, size: int) -> None:
        super().__init__(size)
        self.mode = mode

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[N, T, D], [N, T] -> [N, D]."""
        if mask is None:
            mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        steps = mask.to(x.dtype)
        if self.mode == "last":
            position = (steps * torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)).argmax(dim=1)
            chosen = x.gather(1, position.view(-1, 1, 1).expand(-1, 1, x.shape[2])).squeeze(1)
            return chosen * steps.amax(dim=1, keepdim=True)
        if self.mode == "max":
            highest = x.masked_fill(~mask.unsqueeze(-1), torch.finfo(x.dtype).min).amax(dim=1)
            return highest * steps.amax(dim=1, keepdim=True)
        total = torch.bmm(steps.unsqueeze(1), x).squeeze(1)
        return total if self.mode == "sum" else total / steps.sum(dim=1, keepdim=True).clamp_min(1)


class Concat(Reducer):
    """All steps side by side, padding as 0."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[N, T, D], [N, T] -> [N, T * D]."""
        return (x if mask is None else x * mask.unsqueeze(-1)).flatten(1)


class Attention(Reducer):
    """The mean of the steps, weighted by a learned score of each (Bahdanau et al. 2015)."""

    def __init__(self, size: int, hidden_size: int = 256) -> None:
        super().__init__(size)
        self.hidden = nn.Linear(size, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[N, T, D], [N, T] -> [N, D]."""
        return _attend(self.score(torch.tanh(self.hidden(x))).squeeze(-1), x, mask)


class AttentionPooling(Reducer):
    """The mean of the steps' values, weighted by how well their keys match a learned query."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.query = nn.Parameter(torch.randn(size) * size**-0.5)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[N, T, D], [N, T] -> [N, D]."""
        return _attend(self.key(x) @ self.query * x.shape[-1] ** -0.5, self.value(x), mask)


def _attend(scores: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    share = scores.softmax(dim=-1)
    if mask is not None:
        share = share * mask
    return torch.bmm(share.unsqueeze(1), values).squeeze(1)
