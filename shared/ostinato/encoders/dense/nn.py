"""Encoders that take numbers as they are: passthrough, dense. N rows, F features, D units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.spec import FCStackSpec
from ostinato.encoders.dense.spec import DenseSpec, PassthroughSpec
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


@implements(DenseSpec)
class Dense(Encoder):
    """Fully connected layers over the value."""

    def __init__(self, spec: DenseSpec, shape: Shape) -> None:
        super().__init__()
        if spec.input_size not in (None, 1):
            raise ConfigError(Problem("encoder.input_size", f"found {spec.input_size}, but the feature has 1 unit"))
        self.stack = FCStack(FCStackSpec.of(spec), input_size=1)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N] -> [N, D]."""
        encoded: Tensor = self.stack(column.unsqueeze(-1))
        return encoded
