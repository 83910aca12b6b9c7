"""What holds for every encoder of sequences: padding makes no difference, on whatever side and however much."""

from __future__ import annotations

import pytest
import torch

from ostinato.encoders.spec import ENCODERS
from ostinato.errors import ConfigError
from ostinato.load import load_config
from ostinato.module import Encoder
from ostinato.registry import implementation
from ostinato.shape import Shape

SHAPE = Shape("sequence", vocab_size=9, length=7)
SMALL = {
    "stacked_cnn": {"num_filters": 4, "num_conv_layers": 2},
    "stacked_parallel_cnn": {"num_filters": 4, "num_stacked_layers": 2},
    "parallel_cnn": {"num_filters": 4},
    "rnn": {"state_size": 4, "num_layers": 2, "bidirectional": True},
    "cnnrnn": {"num_filters": 4, "num_conv_layers": 2, "state_size": 4, "bidirectional": True},
    "transformer": {"hidden_size": 8, "num_heads": 2, "transformer_output_size": 8},
}
ROWS = [[3, 4, 5], [6], [2, 3, 4, 5, 6, 7, 8], []]
ALL = ENCODERS.names("text")


def build(name: str, shape: Shape = SHAPE, **fields: object) -> Encoder:
    torch.manual_seed(0)
    spec = ENCODERS.get(name, "text").model_validate(
        {"type": name, "embedding_size": 4, **SMALL.get(name, {}), **fields}
    )
    encoder: Encoder = implementation(type(spec))(spec, shape)
    return encoder.eval()


def padded(rows: list[list[int]], side: str, length: int = 7) -> torch.Tensor:
    fill = [[0] * (length - len(row)) for row in rows]
    return torch.tensor(
        [row + zeros if side == "right" else zeros + row for row, zeros in zip(rows, fill, strict=True)]
    )


@pytest.mark.parametrize("name", ALL)
def test_the_output_has_the_size_that_was_told(name: str) -> None:
    encoder = build(name)
    assert encoder(padded(ROWS, "right")).shape == (4, *encoder.output_shape)
    assert torch.isfinite(encoder(padded(ROWS, "right"))).all()


@pytest.mark.parametrize("name", ALL)
def test_padding_on_the_left_is_as_good_as_on_the_right(name: str) -> None:
    encoder = build(name)
    torch.testing.assert_close(encoder(padded(ROWS, "left")), encoder(padded(ROWS, "right")), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_steps_that_are_padding_in_every_row_may_be_left_out(name: str) -> None:
    encoder = build(name)
    assert encoder.skips_padding
    rows = ROWS[:2]
    torch.testing.assert_close(encoder(padded(rows, "right", 3)), encoder(padded(rows, "right")), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_rows_beside_a_row_make_no_difference(name: str) -> None:
    encoder = build(name)
    together = encoder(padded(ROWS, "right"))
    for number, row in enumerate(ROWS):
        torch.testing.assert_close(encoder(padded([row], "right"))[0], together[number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_a_sequence_that_is_not_reduced_is_0_where_there_is_padding(name: str) -> None:
    encoder = build(name, reduce_output=None)
    found, mask = encoder(padded(ROWS, "right")), encoder.mask(padded(ROWS, "right"))
    assert found.shape == (4, *encoder.output_shape)
    assert mask is not None
    assert mask.shape == found.shape[:2]
    assert not found[~mask].any()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cells_are_those_of_torch(cell: str) -> None:
    encoder = build("rnn", cell_type=cell, num_layers=1, bidirectional=False, num_fc_layers=0)
    rows = padded([[3, 4, 5]], "right")
    layer = encoder.recurrence.layers[0][0]  # type: ignore[union-attr,index]
    states, _ = layer(encoder.steps(rows, rows != 0)[:, :3])  # type: ignore[operator]
    torch.testing.assert_close(encoder(rows), states[:, -1])


def test_the_forget_gate_of_an_lstm_starts_open() -> None:
    layer = build("rnn", cell_type="lstm", num_layers=1).recurrence.layers[0][0]  # type: ignore[union-attr,index]
    bias = layer.bias_ih_l0 + layer.bias_hh_l0  # type: ignore[union-attr,operator]
    assert bias.view(4, 4).tolist() == [[0.0] * 4, [1.0] * 4, [0.0] * 4, [0.0] * 4]  # type: ignore[operator,union-attr]


def test_pooling_leaves_fewer_steps() -> None:
    encoder = build("stacked_cnn", num_conv_layers=None, reduce_output=None)
    assert encoder.output_shape == (1, 4), "7 steps, pooled by 3 three times, the rest counting"
    assert not encoder.skips_padding


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ({"type": "transformer", "hidden_size": 10, "num_heads": 4}, "no multiple of num_heads"),
        ({"type": "transformer", "use_rope": True}, "not implemented yet"),
        ({"type": "stacked_cnn", "strides": 2}, "not implemented yet"),
        ({"type": "rnn", "cell_type": "elman"}, "rnn, lstm or gru"),
        ({"type": "mamba"}, "not implemented yet"),
    ],
)
def test_what_does_not_fit_is_said(encoder: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(
            {
                "input_features": [{"name": "a", "type": "text", "encoder": encoder}],
                "output_features": [{"name": "y", "type": "number"}],
            }
        )
