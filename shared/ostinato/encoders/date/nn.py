"""Encoders of dates. N rows, D units. Dates have the fields of `features.date.data.FIELDS`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.standardize import Standardize
from ostinato.encoders.date.spec import DateEmbedSpec, DateWaveSpec
from ostinato.module import Encoder
from ostinato.registry import implements
from ostinato.shape import Shape

_CIRCLES = ((1, 1, 12), (2, 1, 31), (3, 0, 7), (4, 1, 366), (5, 0, 24), (6, 0, 60), (7, 0, 60))
"""Place among the fields, lowest value, number of values."""
_MONTH = 1
_SECOND_OF_DAY = 8
_DAY = 86400


class DateEncoder(Encoder):
    """An encoder that sees time as a number too, so that a trend can be learned."""

    def __init__(self) -> None:
        super().__init__()
        self.standardize = Standardize()

    def fit(self, column: Tensor, target: Tensor | None) -> None:
        """Takes the mean and deviation of the training rows' dates."""
        self.standardize.fit(_years(column))

    def extent(self, column: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, 9] -> [N, 1] true where there is a date, [N, 1] standardized time, [N, 1] angle of the time of day."""
        angle = column[:, _SECOND_OF_DAY:].to(torch.float32) * (2 * math.pi / _DAY)
        return column[:, _MONTH : _MONTH + 1] > 0, self.standardize(_years(column)), angle


@implements(DateEmbedSpec)
class DateEmbed(DateEncoder):
    """A learned vector for each value of each field."""

    def __init__(self, spec: DateEmbedSpec, shape: Shape) -> None:
        super().__init__()
        # 0 stands for a missing date.
        self.tables = nn.ModuleList(
            embedding(count + 1, min(spec.embedding_size, count + 1), zero_code=0) for _, _, count in _CIRCLES
        )
        sizes = [table.embedding_dim for table in self.tables if isinstance(table, nn.Embedding)]
        self.stack = FCStack(spec.stack, sum(sizes) + 3)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, 9] -> [N, D]."""
        known, time, angle = self.extent(column)
        parts = [time, angle.sin(), angle.cos() * known]
        for table, (place, lowest, _) in zip(self.tables, _CIRCLES, strict=True):
            parts.append(table((column[:, place] - lowest + 1) * known.squeeze(1)))
        encoded: Tensor = self.stack(torch.cat(parts, dim=-1))
        return encoded


@implements(DateWaveSpec)
class DateWave(DateEncoder):
    """Sine and cosine of each field."""

    def __init__(self, spec: DateWaveSpec, shape: Shape) -> None:
        super().__init__()
        self.stack = FCStack(spec.stack, 2 * len(_CIRCLES) + 4)
        self.output_shape = (self.stack.output_size,)

    def forward(self, column: Tensor) -> Tensor:
        """[N, 9] -> [N, D]."""
        known, time, angle = self.extent(column)
        places = [place for place, _, _ in _CIRCLES]
        turns = torch.tensor([2 * math.pi / count for _, _, count in _CIRCLES], device=column.device)
        angles = torch.cat([column[:, places].to(torch.float32) * turns, angle], dim=1)
        encoded: Tensor = self.stack(torch.cat([known, time, angles.sin() * known, angles.cos() * known], dim=-1))
        return encoded


def _years(column: Tensor) -> Tensor:
    """[N, 9] -> [N, 1] years since the birth of Christ with their fraction; NaN where a date is missing."""
    years = column[:, 0].to(torch.float32) + (column[:, 4].to(torch.float32) - 1) / 366
    return torch.where(column[:, _MONTH] > 0, years, torch.nan).unsqueeze(1)
