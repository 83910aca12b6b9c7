"""Feature type `text`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ostinato.encoders.sequence.spec import ParallelCNNSpec
from ostinato.encoders.spec import ENCODERS, EncoderSpec
from ostinato.features.spec import INPUTS, InputSpec, PreprocessingSpec
from ostinato.registry import OneOf
from ostinato.spec import Later, Pending, PendingFalse, PendingNull, PositiveInt

Fill = Literal["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"]
_LANGUAGES = (
    "english", "italian", "spanish", "german", "french", "portuguese", "dutch", "greek", "norwegian", "lithuanian",
    "danish", "polish", "romanian", "japanese", "chinese", "multi",
)  # fmt: skip
_FUNCTIONS = (
    "tokenize", "tokenize_filter", "tokenize_remove_stopwords", "lemmatize", "lemmatize_filter",
    "lemmatize_remove_stopwords",
)  # fmt: skip
_LATER = {"sentencepiece", "clip", "gpt2bpe", "bert", "hf_tokenizer", "ngram"}
LATER_TOKENIZERS = Later(frozenset(_LATER | {f"{each}_{function}" for each in _LANGUAGES for function in _FUNCTIONS}))
Tokenizer = Literal["space", "space_punct", "characters", "underscore", "comma", "untokenized", "stripped"]


class TextPreprocessingSpec(PreprocessingSpec):
    """Preprocessing of a text."""

    missing_value_strategy: Fill = "fill_with_const"
    """What becomes of a missing value."""
    fill_value: str = "<UNK>"
    """Text that `fill_with_const` puts in."""
    tokenizer: Annotated[Tokenizer, LATER_TOKENIZERS] = "space_punct"
    """How a text is cut into symbols."""
    lowercase: bool = False
    """Whether upper and lower case are the same."""
    max_sequence_length: PositiveInt | None = 256
    """Symbols kept of a text; null for the longest of the training rows."""
    sequence_length: PositiveInt | None = None
    """Length of every sequence; null for the longest of the training rows, at most `max_sequence_length`."""
    most_common: PositiveInt = 20000
    """Symbols kept in the vocabulary; rarer ones share the unknown symbol."""
    padding_symbol: str = "<PAD>"
    """Symbol that fills short texts."""
    unknown_symbol: str = "<UNK>"
    """Symbol for what is not in the vocabulary."""
    padding: Literal["left", "right"] = "right"
    """Side on which short texts are filled."""
    pretrained_model_name_or_path: PendingNull = None
    """Model whose tokenizer is used."""
    vocab_file: PendingNull = None
    """File with the vocabulary."""
    ngram_size: Annotated[int, Pending(2)] = 2
    """Symbols of an n-gram (tokenizer `ngram`)."""
    cache_encoder_embeddings: PendingFalse = False
    """Computes a frozen encoder's output once."""
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
