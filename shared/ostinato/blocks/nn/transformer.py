"""A transformer layer. N rows, T tokens, D units."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TransformerLayer(nn.Module):
    """Attention and feed-forward with a norm before each (Gorishniy et al. 2021, section 3.3)."""

    def __init__(self, size: int, num_heads: int, feed_forward_size: int, dropout: float) -> None:
        super().__init__()
        assert size % num_heads == 0
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(size)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.joined = nn.Linear(size, size)
        self.feed_forward_norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, feed_forward_size)
        self.down = nn.Linear(feed_forward_size, size)

    def forward(self, x: Tensor, mask: Tensor | None = None, num_queries: int | None = None) -> Tensor:
        """[N, T, D], [N, 1, 1, T] true where a token may be seen -> the first `num_queries` (or all) tokens."""
        normed = self.attention_norm(x)
        x = x[:, :num_queries]
        query = self._heads(self.query(normed[:, :num_queries]))
        key, value = self.key_value(normed).chunk(2, dim=-1)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, self._heads(key), self._heads(value), mask, dropout)
        x = x + self._dropped(self.joined(seen.transpose(1, 2).flatten(2)))
        hidden = self._dropped(torch.relu(self.up(self.feed_forward_norm(x))))
        return x + self._dropped(self.down(hidden))

    def _heads(self, x: Tensor) -> Tensor:
        """[N, T, D] -> [N, heads, T, D / heads]."""
        return x.view(*x.shape[:-1], self.num_heads, -1).transpose(1, 2)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x
