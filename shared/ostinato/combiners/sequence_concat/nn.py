"""Sequence concat. N rows, T steps, D units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.blocks.nn.reduce import reducer
from ostinato.combiners.sequence_concat.spec import SequenceConcatSpec
from ostinato.errors import ConfigError, Problem, did_you_mean, listing
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(SequenceConcatSpec)
class SequenceConcat(Combiner):
    """All features at every step of the main sequence."""

    def __init__(self, spec: SequenceConcatSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.main = _main(spec, blocks)
        self.length = blocks[self.main].length
        self.is_sequence = [block.is_sequence for block in blocks]
        size = sum(block.size * len(block.features) for block in blocks)
        self.reduce = reducer(spec.reduce_output, self.length, size)
        self.output_size = size if self.reduce is None else self.reduce.output_size
        self.output_length = self.length if self.reduce is None else 0

    def mask(self, masks: Sequence[Tensor | None]) -> Tensor | None:
        """[N, T] true where a step of the main sequence is no padding."""
        return masks[self.main]

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, T, sum of D], or [N, D] reduced."""
        rows = encodings[0].shape[0]
        parts = [
            encoding if is_sequence else encoding.reshape(rows, 1, -1).expand(-1, self.length, -1)
            for encoding, is_sequence in zip(encodings, self.is_sequence, strict=True)
        ]
        hidden, mask = torch.cat(parts, dim=-1), masks[self.main]
        if self.reduce is None:
            return hidden if mask is None else hidden * mask.unsqueeze(-1)
        reduced: Tensor = self.reduce(hidden, mask)
        return reduced


def _main(spec: SequenceConcatSpec, blocks: Sequence[Block]) -> int:
    """Place of the main sequence among the blocks.

    Raises:
        ConfigError: there is none, or others have other lengths.
    """
    places = {block.features[0]: place for place, block in enumerate(blocks) if block.is_sequence}
    if not places:
        hint = "set reduce_output: null in the encoder of a text"
        raise ConfigError(Problem("combiner", "no encoder gives a sequence", "one that is not reduced", hint))
    name = spec.main_sequence_feature
    if name is not None and name not in places:
        message = f"'{name}' gives no sequence that is not reduced"
        raise ConfigError(
            Problem("combiner.main_sequence_feature", message, listing(places), did_you_mean(name, places))
        )
    main = next(iter(places)) if name is None else name
    length = blocks[places[main]].length
    others = [other for other, place in places.items() if blocks[place].length != length]
    if others:
        found = f"{listing(map(repr, others))} have other lengths than '{main}', which has {length} steps"
        hint = "set preprocessing.sequence_length of all of them"
        raise ConfigError(Problem("combiner", found, "sequences of one length", hint))
    return places[main]
