"""A safetensors file made with one copy."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save

from ostinato.model.tensor_file import tensor_file

TENSORS = {
    "b": torch.tensor([True, False, True]),
    "a": torch.arange(6, dtype=torch.float32).view(2, 3).T,
    "half": torch.tensor([1.5], dtype=torch.bfloat16),
    "one": torch.tensor(7),
    "none": torch.zeros(0, 4),
    "ü": torch.tensor([[1.0]], dtype=torch.float64),
}


def test_the_library_reads_what_was_written() -> None:
    content = bytes(tensor_file(TENSORS, {"told": 'quotes " and \n'}))
    found = load(content)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_the_bytes_are_those_of_the_library() -> None:
    one = {"w": torch.randn(3, 5)}
    assert bytes(tensor_file(one, {"a": "b"})) == save(one, {"a": "b"})


def test_later_changes_are_not_in_it() -> None:
    tensor = torch.zeros(3)
    content = tensor_file({"x": tensor}, {})
    tensor += 1
    assert load(bytes(content))["x"].tolist() == [0, 0, 0]


def test_a_type_that_the_format_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        tensor_file({"x": torch.zeros(1, dtype=torch.complex64)}, {})
