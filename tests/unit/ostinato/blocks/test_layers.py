import typing

import pytest
import torch

from ostinato.blocks.nn.embedding import embedding
from ostinato.blocks.nn.fc_stack import FCStack
from ostinato.blocks.nn.initializers import initialize
from ostinato.blocks.nn.linear import EnsembleLinear, FeatureLinear, MemberLinear, Start, random_signs
from ostinato.blocks.nn.norms import norm
from ostinato.blocks.spec import FCLayerSpec, FCStackSpec, InitializerName, InitializerSpec
from ostinato.errors import ConfigError


@pytest.mark.parametrize("name", typing.get_args(InitializerName))
def test_every_initializer_fills_a_weight_of_its_dimensions(name):
    weight = torch.full((4, 4, 3) if name == "dirac" else (4, 4), torch.nan)
    initialize(weight, name)
    assert torch.isfinite(weight).all()


def test_an_initializer_takes_its_parameters():
    weight = torch.empty(100, 100)
    initialize(weight, InitializerSpec(type="normal", mean=5.0, std=0.1))
    assert weight.mean() == pytest.approx(5, abs=0.01)
    initialize(weight, InitializerSpec(type="uniform", a=2.0, b=3.0))
    assert 2 <= weight.min() <= weight.max() <= 3


@pytest.mark.parametrize("name", ["xavier_uniform", "identity", "dirac"])
def test_an_initializer_that_needs_a_matrix_is_no_initializer_of_a_bias(name):
    with pytest.raises(ConfigError, match="does not suit a bias"):
        FCStack(FCStackSpec(bias_initializer=name), 3)


def test_a_layer_of_the_stack_takes_what_it_leaves_out_from_the_stack():
    spec = FCStackSpec(activation="tanh", dropout=0.5, fc_layers=(FCLayerSpec(output_size=8), FCLayerSpec(dropout=0.0)))
    first, second = FCStack(spec, 3).layers
    assert [type(part).__name__ for part in first] == ["Linear", "Tanh", "Dropout"]
    assert [type(part).__name__ for part in second] == ["Linear", "Tanh"]
    assert first[0].weight.shape == (8, 3)
    assert second[0].weight.shape == (256, 8)


def test_residual_adds_the_input_where_the_sizes_agree():
    spec = FCStackSpec(output_size=3, num_layers=2, residual=True, weights_initializer="zeros", activation=None)
    x = torch.randn(4, 3)
    assert torch.equal(FCStack(spec, 3)(x), x)


def test_a_stack_without_layers_is_the_identity():
    x = torch.randn(4, 3)
    stack = FCStack(FCStackSpec(num_layers=0), 3)
    assert stack(x) is x
    assert stack.output_size == 3


@pytest.mark.parametrize("name", ["batch", "layer", "ghost"])
@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 4), (1, 4)])
def test_norms_take_rows_members_and_single_rows(name, shape):
    x = torch.randn(shape)
    layer = norm(name, 4)
    assert layer(x).shape == shape
    assert layer.eval()(x).shape == shape


def test_ghost_norm_treats_each_part_of_the_batch_by_itself():
    layer = norm("ghost", 1, {"virtual_batch_size": 2})
    y = layer(torch.tensor([[0.0], [1.0], [100.0], [300.0]]))
    assert y.flatten().tolist() == pytest.approx([-1, 1, -1, 1], abs=1e-3)


def test_an_unknown_parameter_of_a_norm_is_named():
    with pytest.raises(ConfigError, match="no parameter 'epsilon'") as error:
        norm("layer", 4, {"epsilon": 1e-3})
    assert error.value.problems[0].allowed == "eps, elementwise_affine, bias"


@pytest.mark.parametrize("rows", [5, 100])
@pytest.mark.parametrize("inputs", [1, 4])
def test_a_member_of_an_ensemble_is_a_linear_layer_with_scaled_inputs_and_outputs(rows, inputs):
    layer = EnsembleLinear(3, 2, num_members=4, start=Start(), sections=(2, 1))
    with torch.no_grad():
        layer.output_scale.uniform_(0.5, 2)
        layer.bias.uniform_(-1, 1)
    x = torch.randn(rows, inputs, 3)
    y = layer(x)
    x = x.expand(rows, 4, 3)
    assert torch.allclose(layer.eval()(x), y, atol=1e-6)
    for member in range(4):
        r, s, b = layer.input_scale[member], layer.output_scale[member], layer.bias[member]
        assert torch.allclose(y[:, member], ((x[:, member] * r) @ layer.weight.t()) * s + b, atol=1e-6)


def test_the_signs_of_members_are_equal_within_a_feature():
    signs = random_signs(32, (3, 2))
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert (signs[:, :3] == signs[:, :1]).all()
    assert (signs[:, 3:] == signs[:, 3:4]).all()


def test_member_and_feature_layers_do_for_each_what_one_layer_would():
    x = torch.randn(5, 3, 4)
    for layer in (MemberLinear(4, 2, 3, Start()), FeatureLinear(3, 4, 2)):
        expected = torch.stack([x[:, i] @ layer.weight[i] + layer.bias[i] for i in range(3)], dim=1)
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_the_vector_of_unknown_codes_starts_at_zero():
    table = embedding(5, 3, zero_code=0)
    assert table(torch.tensor([0])).abs().sum() == 0
    assert table(torch.tensor([1])).abs().sum() > 0
