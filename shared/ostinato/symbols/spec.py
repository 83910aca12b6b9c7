"""What the preprocessing of columns of symbols (text, sequence, set, bag) can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from ostinato.features.spec import PreprocessingSpec
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


class SymbolsPreprocessingSpec(PreprocessingSpec):
    """What all columns of symbols share. A column of lists is taken as it is, without a tokenizer."""

    fill_value: str = "<UNK>"
    """Value that `fill_with_const` puts in; `<UNK>` is the unknown symbol."""
    tokenizer: Annotated[Tokenizer, LATER_TOKENIZERS] = "space"
    """How a value is cut into symbols."""
    lowercase: bool = False
    """Whether upper and lower case are the same."""


class SequencePreprocessingSpec(SymbolsPreprocessingSpec):
    """What columns share in which the order of symbols counts."""

    max_sequence_length: PositiveInt | None = 256
    """Symbols kept of a value; null for the longest of the training rows."""
    sequence_length: PositiveInt | None = None
    """Length of every sequence; null for the longest of the training rows, at most `max_sequence_length`."""
    most_common: PositiveInt = 20000
    """Symbols kept in the vocabulary; rarer ones share the unknown symbol."""
    padding_symbol: str = "<PAD>"
    """Symbol that fills short sequences."""
    unknown_symbol: str = "<UNK>"
    """Symbol for what is not in the vocabulary."""
    padding: Literal["left", "right"] = "right"
    """Side on which short sequences are filled."""
    vocab_file: PendingNull = None
    """File with the vocabulary."""
    ngram_size: Annotated[int, Pending(2)] = 2
    """Symbols of an n-gram (tokenizer `ngram`)."""
    cache_encoder_embeddings: PendingFalse = False
    """Computes a frozen encoder's output once."""


class SetPreprocessingSpec(SymbolsPreprocessingSpec):
    """What columns share in which the order of symbols does not count."""

    most_common: PositiveInt = 10000
    """Symbols kept in the vocabulary; rarer ones share the unknown symbol."""
    max_symbols: PositiveInt | None = 1024
    """Symbols kept of a value, the most frequent ones; null for as many as a training row has."""
