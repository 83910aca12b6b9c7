"""Encoders of one category. N rows, V codes, C columns of the target, D units."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.linear import linear
from ostinato.blocks.nn.multi_hot import multi_hot
from ostinato.encoders.category.spec import (
    CategoryDenseSpec,
    CategoryPassthroughSpec,
    CategorySparseSpec,
    HashSpec,
    OneHotSpec,
    TargetSpec,
)
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape

_PRIOR_ROWS = 10
"""Weight of the variance of all rows in the estimate of that within codes."""


@implements(CategoryPassthroughSpec)
class CategoryPassthrough(Encoder):
    """The code as a number."""

    def __init__(self, spec: CategoryPassthroughSpec, shape: Shape) -> None:
        super().__init__()
        self.output_shape = (1,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, 1]."""
        return column.unsqueeze(-1).to(torch.float32)


def automatic_size(num_categories: int) -> int:
    """Units of a vector for that many categories; the rule of thumb of fastai."""
    return min(50, max(2, round(1.6 * math.pow(num_categories, 0.56))))


@implements(CategoryDenseSpec)
class CategoryDense(Encoder):
    """A learned vector for each code; that of unknown values starts at 0."""

    def __init__(self, spec: CategoryDenseSpec, shape: Shape) -> None:
        super().__init__()
        wanted = automatic_size(shape.vocab_size) if spec.embedding_size == "auto" else spec.embedding_size
        size = min(wanted, shape.vocab_size)
        self.table = embedding(
            shape.vocab_size, size, spec.embedding_initializer, zero_code=0, trainable=spec.embeddings_trainable
        )
        self.dropout = spec.dropout
        self.output_shape = (size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, D]."""
        return _dropped(self.table(column), self.dropout, self.training)


@implements(CategorySparseSpec)
class CategorySparse(Encoder):
    """One unit a code; learned where the embedding is trainable."""

    def __init__(self, spec: CategorySparseSpec, shape: Shape) -> None:
        super().__init__()
        size = shape.vocab_size
        if spec.embeddings_trainable:
            initializer = spec.embedding_initializer or "identity"
            self.table: nn.Embedding | None = embedding(size, size, initializer)
        else:
            self.table = None
        self.vocab_size = size
        self.dropout = spec.dropout
        self.output_shape = (size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, V]."""
        encoded = _one_hot(column, self.vocab_size) if self.table is None else self.table(column)
        return _dropped(encoded, self.dropout, self.training)


@implements(OneHotSpec)
class OneHot(Encoder):
    """One unit a code, 1 for the row's own."""

    def __init__(self, spec: OneHotSpec, shape: Shape) -> None:
        super().__init__()
        self.vocab_size = shape.vocab_size
        self.output_shape = (shape.vocab_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, V]."""
        return _one_hot(column, self.vocab_size)


@implements(HashSpec)
class Hash(Encoder):
    """A learned vector for each bucket; the hash is that of the code, so it bounds the size, not the vocabulary."""

    def __init__(self, spec: HashSpec, shape: Shape) -> None:
        super().__init__()
        self.num_buckets = spec.num_hash_buckets
        size = min(spec.embedding_size, self.num_buckets)
        self.table = embedding(self.num_buckets, size)
        self.output_shape = (size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, D]."""
        # Multiplicative hash (Knuth, TAOCP 3, 6.4): the high bits of a product modulo 2^32.
        mixed = (column.to(torch.int64) * 2654435761) % 4294967296
        encoded: Tensor = self.table((mixed * self.num_buckets) // 4294967296)
        return encoded


@implements(TargetSpec)
class Target(Encoder):
    """The smoothed mean of the first output among the training rows of each code, in its deviations over the rows.

    Empirical Bayes (Micci-Barreca 2001): with s2 the variance within codes and t2 that between them, a code of n rows
    gets (n * mean + k * prior) / (n + k), k = s2 / t2. A code without rows gets the prior.
    """

    mean: Tensor
    standard_error: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, spec: TargetSpec, shape: Shape) -> None:
        super().__init__()
        columns = shape.num_targets
        self.register_buffer("mean", torch.zeros(shape.vocab_size, columns))
        self.register_buffer("standard_error", torch.zeros(shape.vocab_size, columns))
        self.register_buffer("centre", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))
        self.widen = linear(columns, spec.output_size) if spec.output_size > columns else None
        self.output_shape = (max(columns, spec.output_size),)

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Learns the means from [N] codes and [N] or [N, T] targets; rows without a known target are left out."""
        assert target is not None, "a target encoder needs the first output"
        columns = self.mean.shape[1]
        if target.ndim == 2:
            known = torch.ones(len(target), dtype=torch.bool, device=target.device)
            values = (target if target.is_floating_point() else multi_hot(target, columns)).to(torch.float64)
        elif columns > 1:
            known = target >= 0
            values = F.one_hot(target[known].long(), columns).to(torch.float64)
        else:
            known = torch.isfinite(target)
            values = target[known].to(torch.float64).unsqueeze(-1)
        codes = column[known].long()
        count, total, squares = _sums(codes, values, self.mean.shape[0])
        rows = max(len(codes), 1)
        prior = total.sum(0) / rows
        mean = total / count.clamp_min(1)
        within = (squares - count * mean.square()).clamp_min(0).sum(0)
        total_variance = (squares.sum(0) / rows - prior.square()).clamp_min(0)
        groups = int((count > 0).sum())
        # Where nearly every row has a code of its own, the variance within is taken to be that of all rows.
        sigma2 = (within + _PRIOR_ROWS * total_variance) / (rows - groups + _PRIOR_ROWS)
        # Between-group variance by the method of moments (DerSimonian and Laird 1986), at least a little.
        spread = (count * (mean - prior).square()).sum(0) - (groups - 1) * sigma2
        size = rows - count.square().sum() / rows
        tau2 = (spread / size.clamp_min(1)).clamp_min(0)
        pseudo_rows = torch.where(tau2 > 0, sigma2 / tau2.clamp_min(1e-12), float(rows)).clamp(1.0, float(rows))
        smoothed = (total + pseudo_rows * prior) / (count + pseudo_rows)
        around = ((smoothed - prior).square() * count).sum(0) / rows
        self.mean.copy_(smoothed)
        self.standard_error.copy_((sigma2 / (count + pseudo_rows)).sqrt())
        self.centre.copy_(prior)
        self.scale.copy_(torch.where(around > 1e-12, around.sqrt(), 1.0))

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, max(C, output_size)]."""
        encoded = F.embedding(column, self.mean)
        if self.training:
            # Without noise a code of one row would give that row's target away.
            encoded = encoded + torch.randn_like(encoded) * F.embedding(column, self.standard_error)
        encoded = (encoded - self.centre) / self.scale
        return encoded if self.widen is None else self.widen(encoded)


def _sums(codes: Tensor, values: Tensor, vocab_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [V, 1], sums [V, C] and sums of squares [V, C] by code."""
    zeros = torch.zeros(vocab_size, values.shape[1], dtype=torch.float64, device=values.device)
    count = torch.bincount(codes, minlength=vocab_size).to(torch.float64).unsqueeze(-1)
    return count, zeros.index_add(0, codes, values), zeros.index_add(0, codes, values.square())


def _one_hot(column: Tensor, vocab_size: int) -> Tensor:
    return F.one_hot(column.long(), vocab_size).to(torch.float32)


def _dropped(encoded: Tensor, probability: float, training: bool) -> Tensor:
    return F.dropout(encoded, probability, training) if probability else encoded
