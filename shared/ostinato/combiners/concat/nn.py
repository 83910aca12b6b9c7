"""Concat. N rows, F features, T steps of a sequence, D units, E ensemble members."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.linear import random_signs
from ostinato.blocks.spec import FCStackSpec
from ostinato.combiners.concat.spec import ConcatSpec
from ostinato.errors import ConfigError, Problem, listing
from ostinato.module import Block, Combiner
from ostinato.registry import implements


@implements(ConcatSpec)
class Concat(Combiner):
    """The encodings side by side, then fully connected layers, as an ensemble where the spec says so."""

    def __init__(self, spec: ConcatSpec, blocks: Sequence[Block]) -> None:
        super().__init__()
        _check(spec, blocks)
        self.flatten = spec.flatten_inputs
        if blocks[0].is_sequence and not self.flatten:
            self.output_length = blocks[0].length
        sections = [
            block.length * block.size if block.is_sequence and self.flatten else block.size
            for block in blocks
            for _ in block.features
        ]
        is_ensemble = not self.output_length if spec.batch_ensemble == "auto" else spec.batch_ensemble
        self.num_members = spec.num_ensemble_members if is_ensemble else 1
        layers = FCStackSpec.of(spec, num_layers=spec.num_fc_layers)
        self.stack = FCStack(layers, sum(sections), self.num_members, sections)
        # Without layers the members differ by their view of the inputs alone.
        is_bare = self.num_members > 1 and not self.stack.layers
        self.input_scale = nn.Parameter(random_signs(self.num_members, sections)) if is_bare else None
        self.output_size = self.stack.output_size

    def forward(self, encodings: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        """[N, F, D] or [N, T, D] each -> [N, D], [N, E, D] or [N, T, D]."""
        if self.output_length:
            hidden = torch.cat(list(encodings), dim=-1)
        else:
            hidden = torch.cat([encoding.flatten(1) for encoding in encodings], dim=1)
        if self.num_members > 1:
            hidden = hidden.unsqueeze(1)
        if self.input_scale is not None:
            return hidden * self.input_scale
        combined: Tensor = self.stack(hidden)
        return combined


def _check(spec: ConcatSpec, blocks: Sequence[Block]) -> None:
    """Raises ConfigError where sequences that are not reduced can't be put beside the rest."""
    sequences = [block for block in blocks if block.is_sequence]
    if not sequences or spec.flatten_inputs:
        return
    names = listing(repr(block.features[0]) for block in sequences)
    if len(sequences) < len(blocks) or len({block.length for block in sequences}) > 1:
        raise ConfigError(
            Problem(
                "combiner",
                f"the encoders of {names} give sequences, which can't stand beside vectors or other lengths",
                "sequences of one length alone",
                "set the encoder's reduce_output (sum, mean, …) or the combiner's flatten_inputs: true",
            )
        )
    if spec.batch_ensemble is True:
        raise ConfigError(
            Problem(
                "combiner.batch_ensemble",
                f"the encoders of {names} give sequences, which have no ensemble",
                hint="set the encoder's reduce_output (sum, mean, …) or the combiner's flatten_inputs: true",
            )
        )
