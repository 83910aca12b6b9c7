import pytest
import torch

from ostinato.encoders.sequence.nn.convolution import ParallelCNN
from ostinato.encoders.sequence.nn.embed import Embed
from ostinato.encoders.sequence.spec import ConvLayerSpec, EmbedSpec, ParallelCNNSpec
from ostinato.errors import ConfigError
from ostinato.shape import Shape

SHAPE = Shape("sequence", vocab_size=20, length=6, padding_code=0)
COLUMN = torch.tensor([[5, 7, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]], dtype=torch.int32)


def test_embed_sums_the_vectors_of_the_symbols():
    encoder = Embed(EmbedSpec(), SHAPE)
    table = encoder.steps.table.weight
    assert encoder.output_shape == (20,)
    assert torch.allclose(encoder(COLUMN)[0], table[5] + table[7], atol=1e-6)


def test_sparse_symbols_summed_are_counts():
    encoder = Embed(EmbedSpec(representation="sparse"), SHAPE)
    assert torch.equal(encoder(COLUMN)[1], torch.tensor([0.0] + [1.0] * 6 + [0.0] * 13))


def test_an_unreduced_sequence_keeps_its_steps_and_says_what_is_padding():
    encoder = Embed(EmbedSpec(reduce_output=None, embedding_size=3), SHAPE)
    assert encoder.output_shape == (6, 3)
    assert encoder(COLUMN).shape == (2, 6, 3)
    assert encoder.mask(COLUMN)[0].tolist() == [True, True, False, False, False, False]


def test_parallel_cnn_has_four_widths_and_two_layers_by_default():
    encoder = ParallelCNN(ParallelCNNSpec(), SHAPE)
    assert [tuple(c.convolution.weight.shape) for c in encoder.convolutions] == [(256, 20, w) for w in (2, 3, 4, 5)]
    assert [tuple(layer[0].weight.shape) for layer in encoder.stack.layers] == [(512, 1024), (256, 512)]
    assert encoder(COLUMN).shape == (2, 256)


@pytest.mark.parametrize("reduce_output", ["last", "sum", "mean", "max", "attention", "attention_pooling"])
def test_longer_padding_changes_nothing(reduce_output):
    torch.manual_seed(0)
    encoder = ParallelCNN(ParallelCNNSpec(reduce_output=reduce_output, num_filters=4), SHAPE).eval()
    longer = torch.cat([COLUMN, torch.zeros(2, 3, dtype=torch.int32)], dim=1)
    assert torch.allclose(encoder(longer), encoder(COLUMN), atol=1e-6)


def test_pooling_shortens_the_sequence():
    spec = ParallelCNNSpec(pool_size=2, reduce_output=None, num_filters=4, num_conv_layers=3)
    encoder = ParallelCNN(spec, SHAPE)
    assert encoder.output_shape == (3, 12)
    assert encoder(COLUMN).shape == (2, 3, 12)
    assert encoder.mask(COLUMN).tolist() == [[True, False, False], [True, True, True]]


def test_a_convolution_sees_its_neighbours():
    spec = ParallelCNNSpec(
        should_embed=False,
        conv_layers=(ConvLayerSpec(filter_size=3, num_filters=1),),
        activation=None,
        weights_initializer="ones",
        reduce_output=None,
    )
    assert ParallelCNN(spec, SHAPE)(COLUMN)[1].flatten().tolist() == [3, 6, 9, 12, 15, 11]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ParallelCNNSpec(pool_size=7), "encoder.pool_size: found 7"),
        (ParallelCNNSpec(conv_layers=(ConvLayerSpec(pool_size=2), ConvLayerSpec())), "found pool sizes"),
        (ParallelCNNSpec(pool_size=2, pool_function="attention"), "found 'attention'"),
        (ParallelCNNSpec(max_sequence_length=5), "but the sequences have 6 steps"),
    ],
)
def test_what_does_not_fit_the_sequences_is_an_error(spec, message):
    with pytest.raises(ConfigError, match=message):
        ParallelCNN(spec, SHAPE)
