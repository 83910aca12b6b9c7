"""A batch cut into parts, rows of like length together, so that little padding is computed on.

N rows, T steps of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ostinato.trainer.rows import Batch, share


def pieces(batch: Batch, count: int, paddings: Mapping[str, int]) -> list[Batch]:
    """The rows of a batch in so many parts, as even as may be, the shortest first; each trimmed.

    `paddings`: the code of padding in each column [N, T] that may be trimmed; without any the rows stay in order.
    """
    num_rows = len(next(iter(batch.values())))
    if count > 1 and paddings:
        lengths = torch.stack([(batch[name] != code).sum(dim=1) for name, code in paddings.items()]).sum(dim=0)
        order = lengths.argsort(stable=True)
        batch = {name: column[order] for name, column in batch.items()}
    bounds = [share(num_rows, number, count) for number in range(count)]
    return [trimmed({name: column[start:stop] for name, column in batch.items()}, paddings) for start, stop in bounds]


def trimmed(batch: Batch, paddings: Mapping[str, int]) -> Batch:
    """The batch without the steps, at both ends, in which every row has padding; at least one step is left."""
    return batch | {name: _trimmed(batch[name], code) for name, code in paddings.items()}


def _trimmed(column: torch.Tensor, code: int) -> torch.Tensor:
    used = (column != code).any(dim=0).nonzero().flatten()
    return column[:, int(used[0]) : int(used[-1]) + 1].contiguous() if len(used) else column[:, :1]
