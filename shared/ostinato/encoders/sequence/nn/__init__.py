"""Encoders of sequences."""

from ostinato.encoders.sequence.nn import convolution, embed, recurrent, steps, transformer

__all__ = ["convolution", "embed", "recurrent", "steps", "transformer"]
