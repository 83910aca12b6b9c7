"""Feature type `text`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ostinato.encoders.sequence.spec import ParallelCNNSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec
from ostinato.registry import OneOf
from ostinato.spec import PendingFalse, PendingNull
from ostinato.symbols.spec import LATER_TOKENIZERS, Fill, SequencePreprocessingSpec, Tokenizer


class TextPreprocessingSpec(SequencePreprocessingSpec):
    """Preprocessing of a text."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""
    tokenizer: Annotated[Tokenizer, LATER_TOKENIZERS] = "space_punct"
    """How a text is cut into symbols."""
    pretrained_model_name_or_path: PendingNull = None
    """Model whose tokenizer is used."""
    compute_idf: PendingFalse = False
    """Computes inverse document frequencies."""
    prompt: PendingNull = None
    """Template around the text."""


@INPUTS.register("text")
class TextInputSpec(InputSpec):
    """A text."""

    later: ClassVar[frozenset[str]] = frozenset({"prompt"})
    """A template beside the feature's own keys."""

    type: Literal["text"] = "text"
    """Type of the feature."""
    preprocessing: TextPreprocessingSpec = TextPreprocessingSpec()
    """How texts become sequences of codes."""
    encoder: Annotated[EncoderSpec, OneOf(ENCODERS, "parallel_cnn", "text")] = ParallelCNNSpec()
    """How the sequence becomes a vector."""
