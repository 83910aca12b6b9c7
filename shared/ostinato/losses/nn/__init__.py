"""Binds every loss to its spec."""

from ostinato.losses.nn import binary, category, classes, distribution, number, set

__all__ = ["binary", "category", "classes", "distribution", "number", "set"]
