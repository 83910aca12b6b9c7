"""Binds every loss to its spec."""

from ostinato.losses.nn import binary, category, classes, number

__all__ = ["binary", "category", "classes", "number"]
