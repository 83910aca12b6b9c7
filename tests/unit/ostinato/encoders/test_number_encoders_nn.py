import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.encoders.dense.nn import Dense
from ostinato.encoders.dense.spec import DenseSpec
from ostinato.encoders.number.nn import PLE, Bins, Periodic, quantile_edges
from ostinato.encoders.number.spec import BinsSpec, PeriodicSpec, PLESpec
from ostinato.errors import ConfigError
from ostinato.shape import Shape

NUMBER = Shape("number")


def test_edges_are_quantiles():
    assert quantile_edges(torch.arange(101.0), 4).tolist() == [0, 25, 50, 75, 100]


def test_a_column_of_few_values_has_these_as_edges():
    assert quantile_edges(torch.tensor([3.0, 1.0, 1.0, 2.0]), 8).tolist() == [1, 2, 3]


def test_a_constant_column_has_one_bin_around_it():
    assert quantile_edges(torch.full((5,), 7.0), 8).tolist() == [6, 8]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50), st.integers(2, 8))
def test_edges_always_rise(values, num_bins):
    edges = quantile_edges(torch.tensor(values), num_bins)
    assert 2 <= len(edges) <= num_bins + 1
    assert (edges.diff() > 0).all()


def test_ple_starts_as_a_line_and_can_bend_at_the_edges():
    encoder = PLE(PLESpec(num_bins=2, output_size=1), [NUMBER])
    encoder.fit(torch.tensor([[0.0], [1.0], [2.0], [2.5], [3.0]]))
    with torch.no_grad():
        encoder.slope.zero_()
        encoder.bias.fill_(10.0)
        encoder.bins.copy_(torch.tensor([[[1.0], [100.0]]]))
    # Edges 0, 2, 3: how far the value has come in each bin, from 0 to 1.
    x = torch.tensor([[-5.0], [0.0], [1.0], [2.0], [2.5], [9.0]])
    assert encoder.lower.tolist() == [[0, 2]]
    assert encoder(x).flatten().tolist() == pytest.approx([10, 10, 10.5, 11, 61, 111])


def test_outliers_cannot_carry_the_line_away():
    encoder = PLE(PLESpec(num_bins=4, output_size=2), [NUMBER])
    encoder.fit(torch.randn(1000, 1))
    near, far, farther = encoder(torch.tensor([[0.0], [100.0], [1e6]]))
    assert torch.equal(far, farther)
    assert (near - far).abs().max() <= 4.1 * encoder.slope.abs().max()


def test_outliers_do_not_stretch_the_outer_bins():
    encoder = PLE(PLESpec(num_bins=4, output_size=2), [NUMBER])
    encoder.fit(torch.cat([torch.randn(1000), torch.tensor([1000.0])]).unsqueeze(-1))
    assert (1 / encoder.inverse_width).max() < 200


def test_features_side_by_side_are_encoded_as_one_by_one():
    torch.manual_seed(0)
    rows = torch.randn(200, 3) * torch.tensor([1.0, 10.0, 0.1])
    for cls, spec in ((PLE, PLESpec(output_size=4)), (Bins, BinsSpec(output_size=4)), (Periodic, PeriodicSpec())):
        together = cls(spec, [NUMBER] * 3)
        together.fit(rows)
        if cls is PLE:
            torch.nn.init.normal_(together.bins)
        for feature in range(3):
            alone = cls(spec, [NUMBER])
            alone.fit(rows[:, [feature]])
            for name, parameter in alone.named_parameters():
                whole = dict(together.named_parameters())[name].detach()
                parameter.data = whole.view(3, -1, *whole.shape[1:])[feature].view(parameter.shape)
            assert torch.allclose(together(rows)[:, [feature]], alone(rows[:, [feature]]), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape("number", scale=10.0, offset=50.0), [-5, 0, 5]),
        (Shape("number", log1p=True), [0, math.log(51), math.log(101)]),
    ],
)
def test_edges_of_the_config_are_in_the_columns_own_units(shape, expected):
    ple = PLE(PLESpec(ple_bin_edges=(0.0, 50.0, 100.0), output_size=1), [shape])
    ple.fit(torch.randn(50, 1))
    assert ple.lower[0].tolist() == pytest.approx(expected[:2])
    bins = Bins(BinsSpec(bins_bin_edges=(0.0, 50.0, 100.0), output_size=1), [shape])
    assert bins.inner[0].tolist() == pytest.approx(expected[1:2])


def test_edges_that_the_logarithm_cannot_take_are_an_error():
    with pytest.raises(ConfigError, match="numbers above -1"):
        PLE(PLESpec(ple_bin_edges=(-1.0, 1.0, 2.0)), [Shape("number", log1p=True)])


def test_a_value_on_an_edge_belongs_to_the_bin_above():
    encoder = Bins(BinsSpec(num_bins=4, output_size=1), [NUMBER])
    encoder.fit(torch.arange(101.0).unsqueeze(-1))
    with torch.no_grad():
        encoder.table.copy_(torch.arange(4.0).unsqueeze(-1))
    assert encoder(torch.tensor([[-9.0], [24.9], [25.0], [75.0], [500.0]])).flatten().tolist() == [0, 0, 1, 3, 3]


def test_an_input_size_that_disagrees_is_an_error():
    with pytest.raises(ConfigError, match=r"encoder\.input_size: found 3"):
        Dense(DenseSpec(input_size=3), NUMBER)
