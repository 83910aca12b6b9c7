"""Encoders of sequences of codes."""

from ostinato.encoders.sequence.nn import convolution, embed, recurrent, symbols, transformer

__all__ = ["convolution", "embed", "recurrent", "symbols", "transformer"]
