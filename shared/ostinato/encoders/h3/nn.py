"""Encoders of cells of the H3 grid. N rows, D units. A cell has a resolution, a base cell, and 15 finer cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.recurrence import Recurrence
from ostinato.blocks.nn.reduce import reducer
from ostinato.encoders.h3.spec import H3EmbedSpec, H3RNNSpec, H3VectorsSpec, H3WeightedSumSpec
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape

_RESOLUTIONS, _BASE_CELLS, _CHILDREN = 16, 122, 7
_CELLS = 15
_PLACES = 2 + _CELLS
_KNOWN_DEPTH = 3
"""Down to this resolution each cell of the earth has a vector of its own; below it only its place in its parent counts.
(There are 41,162 cells of resolution 3, of some 12,000 square kilometres each.)"""


class CellVectors(nn.Module):
    """A vector for each part of a cell's index, with the vectors of cells that no training row has at 0."""

    start: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.outer = embedding(_RESOLUTIONS + _BASE_CELLS, size)
        counts = [_BASE_CELLS * _CHILDREN**depth for depth in range(1, _KNOWN_DEPTH + 1)]
        counts += [_CHILDREN] * (_CELLS - _KNOWN_DEPTH)
        self.inner = embedding(sum(counts), size, "zeros")
        starts = torch.tensor([0, *counts[:-1]]).cumsum(dim=0)
        self.register_buffer("start", starts, persistent=False)

    def forward(self, column: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 17] -> [N, 17, D], [N, 17] true where there is such a part; 0 where there is none."""
        resolution, path, cells = column[:, :1].long(), column[:, 1].long(), column[:, 2:].long()
        used = cells < _CHILDREN
        cells = cells * used
        codes = []
        for depth in range(_CELLS):
            path = path * _CHILDREN + cells[:, depth] if depth < _KNOWN_DEPTH else cells[:, depth]
            codes.append(path)
        inner = self.inner(torch.stack(codes, dim=1) + self.start) * used.unsqueeze(-1)
        outer = self.outer(torch.cat([resolution, column[:, 1:2].long() + _RESOLUTIONS], dim=1))
        return torch.cat([outer, inner], dim=1), torch.cat([torch.ones_like(used[:, :2]), used], dim=1)


class H3Encoder(Encoder):
    """An encoder over the vectors."""

    def __init__(self, spec: H3VectorsSpec) -> None:
        super().__init__()
        self.vectors = CellVectors(spec.embedding_size)

    def mask(self, column: Tensor) -> Tensor:
        """[N, 17] true where the index has such a part."""
        mask: Tensor = self.vectors(column)[1]
        return mask


@implements(H3EmbedSpec)
class H3Embed(H3Encoder):
    """The vectors, reduced."""

    def __init__(self, spec: H3EmbedSpec, shape: Shape) -> None:
        super().__init__(spec)
        self.reduce = reducer(spec.reduce_output, _PLACES, spec.embedding_size)
        self.stack = FCStack(spec.stack, self.reduce.output_size if self.reduce else spec.embedding_size)
        size = self.stack.output_size
        self.output_shape = (size,) if self.reduce else (_PLACES, size)

    def forward(self, column: Tensor) -> Tensor:
        """[N, 17] -> [N, D] or [N, 17, D]."""
        vectors, mask = self.vectors(column)
        if self.reduce is not None:
            encoded: Tensor = self.stack(self.reduce(vectors, mask))
            return encoded
        unreduced: Tensor = self.stack(vectors) * mask.unsqueeze(-1)
        return unreduced


@implements(H3WeightedSumSpec)
class H3WeightedSum(H3Encoder):
    """The vectors, summed up with a weight for each place."""

    def __init__(self, spec: H3WeightedSumSpec, shape: Shape) -> None:
        super().__init__(spec)
        self.weights = nn.Parameter(torch.zeros(_PLACES) if spec.should_softmax else torch.ones(_PLACES))
        self.should_softmax = spec.should_softmax
        self.stack = FCStack(spec.stack, spec.embedding_size)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, 17] -> [N, D]."""
        vectors, _ = self.vectors(column)
        weights = self.weights.softmax(dim=0) if self.should_softmax else self.weights
        encoded: Tensor = self.stack(torch.matmul(weights, vectors))
        return encoded


@implements(H3RNNSpec)
class H3RNN(H3Encoder):
    """Recurrent cells over the vectors."""

    def __init__(self, spec: H3RNNSpec, shape: Shape) -> None:
        super().__init__(spec)
        self.dropout = nn.Dropout(spec.dropout)
        self.recurrence = Recurrence(spec, spec.hidden_size, spec.embedding_size, spec.num_layers)
        size = self.recurrence.output_size
        self.reduce = reducer(spec.reduce_output, _PLACES, size)
        self.output_shape = (_PLACES, size) if self.reduce is None else (self.reduce.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, 17] -> [N, D] or [N, 17, D]."""
        vectors, mask = self.vectors(column)
        states: Tensor = self.recurrence(self.dropout(vectors), mask)
        return states if self.reduce is None else self.reduce(states, mask)
