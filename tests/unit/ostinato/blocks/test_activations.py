import typing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.blocks.nn.activations import GATED, activation, entmax15, sparsemax, units_before
from ostinato.blocks.spec import Activation

logits = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=8)


@pytest.mark.parametrize("name", typing.get_args(Activation))
def test_every_activation_gives_the_units_it_promises_and_a_finite_gradient(name):
    x = torch.randn(5, units_before(name, 4), requires_grad=True)
    y = activation(name)(x)
    y.square().sum().backward()
    assert y.shape == (5, 4)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", GATED)
def test_a_gated_activation_multiplies_its_halves(name):
    x = torch.tensor([[1.0, 3.0]])
    assert activation(name)(x) == pytest.approx(GATED[name](torch.tensor(1.0)).item() * 3)


@given(logits)
def test_sparsemax_is_the_nearest_point_of_the_simplex(values):
    x = torch.tensor(values, dtype=torch.float64)
    p = sparsemax(x)
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1)
    # Optimality: what lies in the support is shifted by one threshold, the rest lies below it.
    threshold = (x - p)[p > 0]
    assert threshold.max() - threshold.min() < 1e-9
    assert (x[p == 0] <= threshold.max() + 1e-9).all()


@given(logits)
def test_entmax15_satisfies_its_optimality_condition(values):
    x = torch.tensor(values, dtype=torch.float64)
    p = entmax15(x)
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1, abs=1e-6)
    threshold = (x / 2 - p.sqrt())[p > 0]
    assert threshold.max() - threshold.min() < 1e-6
    assert (x[p == 0] / 2 <= threshold.max() + 1e-6).all()


def test_the_sparse_links_agree_with_values_from_the_papers():
    x = torch.tensor([1.0, 0.5, -1.0])
    assert sparsemax(x).tolist() == pytest.approx([0.75, 0.25, 0])
    assert entmax15(torch.zeros(4)).tolist() == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("link", [sparsemax, entmax15])
def test_the_sparse_links_have_the_gradient_of_finite_differences(link):
    x = torch.tensor([[1.0, 0.7, -0.3, -3.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(link, x)
