import pytest
import torch

from ostinato.combiners.concat.nn import Concat
from ostinato.combiners.concat.spec import ConcatSpec
from ostinato.combiners.ft_transformer.nn import FTTransformer
from ostinato.combiners.ft_transformer.spec import FTTransformerSpec
from ostinato.errors import ConfigError
from ostinato.module import Block

VECTORS = [Block(("a", "b"), 1), Block(("c",), 3)]
ENCODINGS = [torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[3.0, 4.0, 5.0]]])]
NO_MASKS = [None, None]
BARE = ConcatSpec(num_fc_layers=0, batch_ensemble=False)
SEQUENCE = Block(("s",), 2, length=4)


def test_concat_puts_the_encodings_side_by_side():
    combiner = Concat(BARE, VECTORS)
    assert combiner.output_size == 5
    assert combiner(ENCODINGS, NO_MASKS).tolist() == [[1, 2, 3, 4, 5]]


def test_an_ensemble_gives_a_vector_a_member():
    combiner = Concat(ConcatSpec(batch_ensemble=True, num_fc_layers=2, output_size=7, num_ensemble_members=3), VECTORS)
    assert combiner.num_members == 3
    combined = combiner([part.expand(5, -1, -1) for part in ENCODINGS], NO_MASKS)
    assert combined.shape == (5, 3, 7)


def test_an_ensemble_without_layers_differs_by_its_view_of_the_inputs():
    combiner = Concat(ConcatSpec(num_fc_layers=0, batch_ensemble=True, num_ensemble_members=4), VECTORS)
    combined = combiner(ENCODINGS, NO_MASKS)
    assert combined.shape == (1, 4, 5)
    assert torch.equal(combined.abs(), torch.tensor([1.0, 2, 3, 4, 5]).expand(1, 4, 5))


def test_sequences_alone_stay_sequences():
    combiner = Concat(ConcatSpec(num_fc_layers=1, output_size=6, batch_ensemble=False), [SEQUENCE, SEQUENCE])
    assert combiner.output_length == 4
    assert combiner([torch.randn(3, 4, 2)] * 2, NO_MASKS).shape == (3, 4, 6)


def test_flattened_sequences_stand_beside_vectors():
    combiner = Concat(
        ConcatSpec(num_fc_layers=0, batch_ensemble=False, flatten_inputs=True), [Block(("c",), 3), SEQUENCE]
    )
    assert combiner.output_size == 11
    assert combiner([ENCODINGS[1], torch.randn(1, 4, 2)], NO_MASKS).shape == (1, 11)


@pytest.mark.parametrize("blocks", [[Block(("c",), 3), SEQUENCE], [SEQUENCE, Block(("t",), 2, length=5)]])
def test_sequences_beside_vectors_or_other_lengths_are_an_error(blocks):
    with pytest.raises(ConfigError, match="'s'"):
        Concat(BARE, blocks)


def test_the_transformer_gives_the_class_token():
    combiner = FTTransformer(FTTransformerSpec(hidden_size=16, num_heads=4, num_layers=2), VECTORS)
    assert combiner([part.expand(5, -1, -1) for part in ENCODINGS], NO_MASKS).shape == (5, 16)


def test_the_last_layer_computes_the_class_token_as_the_whole_layer_would():
    torch.manual_seed(0)
    combiner = FTTransformer(FTTransformerSpec(hidden_size=16, num_heads=4, num_layers=1), VECTORS).eval()
    x = torch.randn(3, 5, 16)
    layer = combiner.layers[0]
    assert torch.allclose(layer(x, None, 1), layer(x)[:, :1], atol=1e-6)


def test_the_transformer_does_not_see_padding():
    torch.manual_seed(0)
    combiner = FTTransformer(FTTransformerSpec(hidden_size=8, num_heads=2), [Block(("c",), 3), SEQUENCE]).eval()
    sequence = torch.randn(1, 4, 2)
    mask = torch.tensor([[True, True, False, False]])
    other = torch.where(mask.unsqueeze(-1), sequence, torch.tensor(9.0))
    one, two = (combiner([ENCODINGS[1], x], [None, mask]) for x in (sequence, other))
    assert torch.equal(one, two)
