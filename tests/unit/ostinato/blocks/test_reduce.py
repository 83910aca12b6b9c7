import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.blocks.nn.reduce import reducer

X = torch.tensor([[[1.0, -1.0], [3.0, -3.0], [9.0, 9.0]], [[2.0, 2.0], [7.0, 7.0], [7.0, 7.0]]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("last", [[3, -3], [2, 2]]),
        ("sum", [[4, -4], [2, 2]]),
        ("mean", [[2, -2], [2, 2]]),
        ("avg", [[2, -2], [2, 2]]),
        ("max", [[3, -1], [2, 2]]),
        ("concat", [[1, -1, 3, -3, 0, 0], [2, 2, 0, 0, 0, 0]]),
    ],
)
def test_padding_does_not_count(mode, expected):
    reduce = reducer(mode, length=3, size=2)
    assert reduce(X, MASK).tolist() == expected
    assert reduce.output_size == len(expected[0])


@pytest.mark.parametrize("mode", ["last", "sum", "mean", "max", "concat", "attention", "attention_pooling"])
def test_a_row_of_nothing_but_padding_is_zero(mode):
    reduced = reducer(mode, length=3, size=2)(X, torch.zeros(2, 3, dtype=torch.bool))
    assert reduced.abs().sum() == 0


@pytest.mark.parametrize("mode", ["none", "None", None])
def test_none_keeps_the_sequence(mode):
    assert reducer(mode, length=3, size=2) is None


@given(st.sampled_from(["last", "sum", "mean", "max", "attention", "attention_pooling"]), st.integers(1, 3))
def test_what_stands_in_the_padding_and_how_long_it_is_change_nothing(mode, extra):
    torch.manual_seed(0)
    reduce = reducer(mode, length=3, size=2)
    padded = torch.cat([X.masked_fill(~MASK.unsqueeze(-1), 5.0), torch.full((2, extra, 2), 8.0)], dim=1)
    mask = torch.cat([MASK, torch.zeros(2, extra, dtype=torch.bool)], dim=1)
    assert torch.allclose(reduce(padded, mask), reduce(X, MASK), atol=1e-6)
