"""Encoders that take numbers as they are: passthrough, dense. N rows, F features, T numbers, D units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.standardize import Standardize
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.dense.spec import DenseSpec, PassthroughSpec, VectorPassthroughSpec
from ostinato.errors import ConfigError, Problem
from ostinato.module import Encoder, GroupEncoder
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(PassthroughSpec)
class Passthrough(GroupEncoder):
    """The value as it is, one unit."""

    def __init__(self, spec: PassthroughSpec, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.output_size = 1

    def forward(self, columns: Tensor) -> Tensor:
        """[N, F] -> [N, F, 1]."""
        return columns.unsqueeze(-1)


class NumbersEncoder(Encoder):
    """An encoder of one number, which preprocessing normalizes, or of several, which are standardized here."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_size = shape.length or 1
        # Places of a vector differ in meaning, steps of a series do not.
        self.standardize = Standardize(shape.length if shape.kind == "vector" else 1) if shape.length else None

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Takes the mean and deviation of [N, T] numbers."""
        if self.standardize is not None:
            self.standardize.fit(column)

    def numbers(self, column: Tensor) -> Tensor:
        """[N] or [N, T] -> [N, input_size]."""
        if self.standardize is None:
            return column.unsqueeze(-1)
        standardized: Tensor = self.standardize(column)
        return standardized


@implements(VectorPassthroughSpec)
class VectorPassthrough(NumbersEncoder):
    """The numbers, standardized."""

    def __init__(self, spec: VectorPassthroughSpec, shape: Shape) -> None:
        super().__init__(shape)
        self.output_shape = (self.input_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, T] -> [N, T]."""
        return self.numbers(column)


@implements(DenseSpec)
class Dense(NumbersEncoder):
    """Fully connected layers over the numbers."""

    def __init__(self, spec: DenseSpec, shape: Shape) -> None:
        super().__init__(shape)
        size = self.input_size
        if spec.input_size not in (None, size):
            found = f"found {spec.input_size}, but the feature has {size} unit{'s' if size > 1 else ''}"
            raise ConfigError(Problem("encoder.input_size", found))
        self.stack = FCStack(FCStackSpec.of(spec), size)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] or [N, T] -> [N, D]."""
        encoded: Tensor = self.stack(self.numbers(column))
        return encoded
