"""Embeddings of codes. V codes, D units."""

from __future__ import annotations

import torch
from torch import nn

from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.spec import Initializer


def embedding(
    vocab_size: int,
    size: int,
    initializer: Initializer | None = None,
    *,
    zero_code: int | None = None,
    trainable: bool = True,
) -> nn.Embedding:
    """A vector for each code; without an initializer from a normal distribution of variance 1 / D.

    The vector of `zero_code` starts at 0, so a code that no training row has adds nothing.
    """
    table = nn.Embedding(vocab_size, size)
    if initializer is None:
        nn.init.normal_(table.weight, std=size**-0.5)
    else:
        initialize(table.weight, initializer)
    if zero_code is not None:
        with torch.no_grad():
            table.weight[zero_code] = 0
    table.weight.requires_grad_(trainable)
    return table


def one_hot_table(vocab_size: int, *, trainable: bool = False) -> nn.Embedding:
    """A vector of one unit a code, 1 for its own."""
    return embedding(vocab_size, vocab_size, "identity", trainable=trainable)
