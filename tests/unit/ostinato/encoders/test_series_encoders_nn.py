"""Encoders of series, vectors, sets, dates and cells: what padding, scale, missing and unseen values do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ostinato.blocks.nn.standardize import Standardize
from ostinato.encoders.spec import ENCODERS
from ostinato.errors import ConfigError
from ostinato.load import load_config
from ostinato.module import Encoder
from ostinato.registry import implementation
from ostinato.shape import Shape

NAN = float("nan")
SERIES = Shape("series", length=5)
SMALL = {
    "patchtst": {"patch_size": 2, "patch_stride": 2, "d_model": 8, "num_heads": 2, "num_layers": 1, "ffn_dim": 8},
    "nbeats": {"layer_size": 8, "output_size": 4, "num_layers": 2},
    "rnn": {"state_size": 4, "bidirectional": True},
    "cnnrnn": {"num_filters": 4, "num_conv_layers": 1, "state_size": 4},
    "transformer": {"hidden_size": 8, "num_heads": 2, "transformer_output_size": 8},
    "parallel_cnn": {"num_filters": 4},
    "stacked_cnn": {"num_filters": 4, "num_conv_layers": 2},
    "stacked_parallel_cnn": {"num_filters": 4, "num_stacked_layers": 2},
}
ROWS = torch.tensor([[1.0, 2, 3, NAN, NAN], [5, 4, 3, 2, 1], [7, NAN, NAN, NAN, NAN], [NAN] * 5])


def build(group: str, name: str, shape: Shape, **fields: object) -> Encoder:
    torch.manual_seed(0)
    spec = ENCODERS.get(name, group).model_validate({"type": name, **fields})
    encoder: Encoder = implementation(type(spec))(spec, shape)
    return encoder.eval()


@pytest.mark.parametrize("name", ENCODERS.names("timeseries"))
def test_a_series_may_be_short_or_nothing(name: str) -> None:
    encoder = build("timeseries", name, SERIES, **SMALL.get(name, {}))
    encoder.fit(ROWS, None)
    found = encoder(ROWS)
    assert found.shape == (4, *encoder.output_shape)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", ENCODERS.names("timeseries"))
def test_the_unit_of_a_series_makes_no_difference(name: str) -> None:
    own, other = (build("timeseries", name, SERIES, **SMALL.get(name, {})) for _ in range(2))
    own.fit(ROWS, None)
    other.fit(ROWS * 1000 + 5, None)
    torch.testing.assert_close(other(ROWS * 1000 + 5), own(ROWS), rtol=1e-3, atol=1e-4)


def test_a_series_that_is_0_is_no_padding() -> None:
    encoder = build("timeseries", "rnn", SERIES, **SMALL["rnn"])
    rows = torch.tensor([[0.0, 0, 0, 0, 0], [0, 0, NAN, NAN, NAN]])
    assert encoder.mask(rows).tolist() == [[True] * 5, [True, True, False, False, False]]


@pytest.mark.parametrize("reduce", ["mean", "last", "first"])
def test_padding_of_whole_patches_makes_no_difference(reduce: str) -> None:
    encoder = build("timeseries", "patchtst", SERIES, **SMALL["patchtst"], reduce_output=reduce)
    short, garbage = torch.tensor([[1.0, 2, NAN, NAN, NAN]]), torch.tensor([[1.0, 2, NAN, NAN, NAN]])
    with torch.no_grad():
        encoder.places.weight[1:] += 9  # type: ignore[union-attr,operator]
    changed = encoder(garbage)
    with torch.no_grad():
        encoder.places.weight[1:] -= 9  # type: ignore[union-attr,operator]
    torch.testing.assert_close(encoder(short), changed, rtol=1e-4, atol=1e-4)


def test_no_step_is_lost_between_patches_and_the_end() -> None:
    encoder = build("timeseries", "patchtst", SERIES, **SMALL["patchtst"])
    rows = torch.tensor([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 9]])
    found = encoder(rows)
    assert not torch.allclose(found[0], found[1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patch_size": 6, "patch_stride": 3}, "found 6, but the series have 5 steps"),
        ({}, "found 16, but the series have 5 steps"),
    ],
)
def test_a_patch_larger_than_the_series_is_an_error(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("timeseries", "patchtst", SERIES, **fields)


@pytest.mark.parametrize(
    ("fields", "message"), [({"d_model": 12}, "no multiple of num_heads"), ({"patch_stride": 20}, "leaves out steps")]
)
def test_sizes_of_patches_that_do_not_agree_are_errors(fields: dict[str, object], message: str) -> None:
    encoder = {"type": "patchtst", **fields}
    features = [{"name": "x", "type": "timeseries", "encoder": encoder}]
    with pytest.raises(ConfigError, match=message):
        load_config({"input_features": features, "output_features": [{"name": "y", "type": "number"}]})


def test_places_of_a_vector_have_a_mean_of_their_own_and_one_scale() -> None:
    scale = Standardize(2)
    x = torch.tensor([[10.0, 100], [12, 104], [NAN, NAN]])
    scale.fit(x)
    deviation = np.sqrt((1 + 1 + 4 + 4) / 4)
    np.testing.assert_allclose(scale(x), [[-1 / deviation, -2 / deviation], [1 / deviation, 2 / deviation], [0, 0]])


def test_what_is_the_same_everywhere_stays_finite() -> None:
    scale = Standardize(2)
    scale.fit(torch.full((3, 2), 7.0))
    assert scale(torch.full((1, 2), 7.0)).tolist() == [[0, 0]]
    scale.fit(torch.full((3, 2), NAN))
    assert torch.isfinite(scale(torch.ones(1, 2))).all()


def test_an_input_size_that_is_not_the_vectors_length_is_an_error() -> None:
    with pytest.raises(ConfigError, match="found 3, but the feature has 5 units"):
        build("vector", "dense", Shape("vector", length=5), input_size=3)


@pytest.mark.parametrize(
    "fields", [{}, {"representation": "sparse"}, {"num_fc_layers": 1, "force_embedding_size": True}]
)
def test_padding_adds_nothing_to_a_set_and_a_symbol_of_a_bag_counts_twice(fields: dict[str, object]) -> None:
    encoder = build("bag", "embed", Shape("sequence", vocab_size=6, length=4), **fields)
    torch.testing.assert_close(encoder(torch.tensor([[2, 3, 0, 0]])), encoder(torch.tensor([[2, 3]])))
    assert not torch.allclose(encoder(torch.tensor([[2, 2]])), encoder(torch.tensor([[2, 0]])))
    assert encoder(torch.tensor([[0, 0, 0, 0]])).shape == (1, *encoder.output_shape)


@pytest.mark.parametrize("name", ENCODERS.names("date"))
def test_a_missing_date_is_another_than_any_date(name: str) -> None:
    encoder = build("date", name, Shape("fields", length=9))
    days = torch.tensor([[2024, 2, 29, 3, 60, 13, 5, 7, 47107], [1969, 12, 31, 2, 365, 0, 0, 0, 0], [0] * 9])
    encoder.fit(days, None)
    found = encoder(days)
    assert found.shape == (3, *encoder.output_shape)
    assert torch.isfinite(found).all()
    assert not torch.allclose(found[2], found[1])


def test_december_is_near_january_on_a_wave() -> None:
    encoder = build("date", "wave", Shape("fields", length=9), num_fc_layers=0)
    months = torch.tensor([[2024, month, 15, 3, 60, 0, 0, 0, 0] for month in (12, 1, 6)])
    december, january, june = encoder(months)
    assert (december - january).norm() < (january - june).norm() / 2


@pytest.mark.parametrize("name", ENCODERS.names("h3"))
def test_a_cell_that_training_did_not_see_is_like_its_parent(name: str) -> None:
    encoder = build("h3", name, Shape("fields", length=17))
    parent, child = [9, 20, 1, 2] + [7] * 13, [9, 20, 1, 2, 6, 5] + [7] * 11
    found = encoder(torch.tensor([parent, child], dtype=torch.int32))
    assert torch.isfinite(found).all()
    if name == "embed":
        torch.testing.assert_close(found[0], found[1])


def test_cells_of_the_same_place_in_different_parents_are_different() -> None:
    encoder = build("h3", "embed", Shape("fields", length=17))
    with torch.no_grad():
        encoder.vectors.inner.weight.normal_()  # type: ignore[union-attr,operator]
    rows = torch.tensor([[3, 20, 1, 2] + [7] * 13, [3, 20, 4, 2] + [7] * 13], dtype=torch.int32)
    codes, used = encoder.vectors(rows)  # type: ignore[operator]
    assert used[0].tolist() == [True] * 4 + [False] * 13
    assert not torch.allclose(codes[0, 3], codes[1, 3])


@pytest.mark.parametrize(("group", "name"), [("h3", "embed"), ("h3", "rnn"), ("timeseries", "passthrough")])
def test_what_is_not_reduced_is_a_sequence(group: str, name: str) -> None:
    shape = SERIES if group == "timeseries" else Shape("fields", length=17)
    encoder = build(group, name, shape, reduce_output=None)
    rows = ROWS if group == "timeseries" else torch.tensor([[9, 20, 1, 2] + [7] * 13] * 4)
    assert encoder(rows).shape == (4, *encoder.output_shape)
    mask = encoder.mask(rows)
    assert mask is not None
    assert mask.shape == (4, encoder.output_shape[0])
