"""Sequence concat: sequences side by side, step by step, the vectors at every step."""

from __future__ import annotations

from typing import Literal

from ostinato.blocks.spec import ReduceMode
from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.spec import Name


@COMBINERS.register("sequence_concat")
class SequenceConcatSpec(CombinerSpec):
    """Sequences of one length side by side at each step, and the vectors of the other features at every step."""

    type: Literal["sequence_concat"] = "sequence_concat"
    """Name of the combiner."""
    main_sequence_feature: Name | None = None
    """The sequence whose padding counts; null for the first one."""
    reduce_output: ReduceMode | None = None
    """How the steps become one vector; null leaves that to each output (`reduce_input`)."""
