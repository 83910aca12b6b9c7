"""A safetensors file without a copy of the tensors; the library's own `save` makes three.

The format: the length of the header (8 bytes, little endian), the header (JSON, filled up with spaces so that the data
are aligned), the data. Reading is the library's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""By falling size, which is the order in the file: so every tensor is aligned."""
_ALIGNED = 8


def tensor_file(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> bytes:
    """The bytes of the file.

    Args:
        tensors: of any device, by name.
        header: texts that go with them.
    """
    return b"".join(chunks(tensors, header))


def chunks(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The same piece by piece, one for each tensor: views, not copies, where a tensor is contiguous and on the CPU."""
    order = {kind: number for number, kind in enumerate(_NAMES)}
    names = sorted(tensors, key=lambda name: (order[tensors[name].dtype], name))
    entries: dict[str, object] = {"__metadata__": dict(header)}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        if tensors[name].numel():
            whole = tensors[name].detach().cpu().contiguous().view(-1)
            yield whole.view(torch.uint8).numpy().data
