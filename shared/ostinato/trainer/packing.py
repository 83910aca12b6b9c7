"""Nested values with tensors in them <-> tensors by name and the rest as JSON; what checkpoints are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_TENSOR = "$tensor"
_PAIRS = "$pairs"


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """Dicts, lists, tuples, tensors and what JSON knows -> a value for JSON, and the tensors it names."""
    tensors: dict[str, Tensor] = {}

    def packed(item: Any) -> Any:
        if isinstance(item, Tensor):
            name = str(len(tensors))
            tensors[name] = item
            return {_TENSOR: name}
        if isinstance(item, Mapping):
            if all(isinstance(key, str) for key in item):
                return {key: packed(below) for key, below in item.items()}
            return {_PAIRS: [[key, packed(below)] for key, below in item.items()]}
        if isinstance(item, list | tuple):
            return [packed(below) for below in item]
        assert item is None or isinstance(item, str | int | float | bool), f"a {type(item)} is no state"
        return item

    return packed(value), tensors


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `pack`; tuples come back as lists."""
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        if value.keys() == {_PAIRS}:
            return {key: unpack(below, tensors) for key, below in value[_PAIRS]}
        return {key: unpack(below, tensors) for key, below in value.items()}
    return [unpack(below, tensors) for below in value] if isinstance(value, list) else value
