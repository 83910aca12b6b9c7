"""Binds every loss to its spec."""

from ostinato.losses.nn import binary, category, number

__all__ = ["binary", "category", "number"]
