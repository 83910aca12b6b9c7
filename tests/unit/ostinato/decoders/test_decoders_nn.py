import pytest
import torch

from ostinato.decoders.nn import Classifier, MLPClassifier, Regressor, check_classes
from ostinato.decoders.spec import ClassifierSpec, MLPClassifierSpec, RegressorSpec
from ostinato.errors import ConfigError


@pytest.mark.parametrize(("members", "shape"), [(1, (5, 8)), (3, (5, 3, 8))])
@pytest.mark.parametrize(
    ("cls", "spec", "hidden"),
    [
        (Regressor, RegressorSpec(), 8),
        (Classifier, ClassifierSpec(num_fc_layers=2, fc_output_size=16), 16),
        (MLPClassifier, MLPClassifierSpec(output_size=12), 12),
    ],
)
def test_a_decoder_gives_logits_and_its_last_hidden_layer(cls, spec, hidden, members, shape):
    decoder = cls(spec, 8, 4, members)
    logits, last = decoder(torch.randn(shape))
    assert logits.shape == (*shape[:-1], 4)
    assert last.shape == (*shape[:-1], hidden)
    assert decoder.hidden_size == hidden


def test_members_have_a_last_layer_of_their_own():
    decoder = Regressor(RegressorSpec(), 8, 1, 3)
    x = torch.randn(5, 1, 8).expand(5, 3, 8)
    logits, _ = decoder(x)
    assert logits.std(dim=1).min() > 0


def test_an_input_size_that_disagrees_is_an_error():
    with pytest.raises(ConfigError, match=r"decoder\.input_size: found 9, but the decoder gets 8 units"):
        Regressor(RegressorSpec(input_size=9), 8, 1, 1)


def test_classes_that_disagree_are_an_error():
    check_classes(ClassifierSpec(num_classes=3), ("a", "b", "c"))
    with pytest.raises(ConfigError, match="found 4, but the training rows have 3 classes"):
        check_classes(ClassifierSpec(num_classes=4), ("a", "b", "c"))


def test_the_two_names_of_a_parameter_of_the_mlp_must_agree():
    assert MLPClassifier(MLPClassifierSpec(fc_output_size=32), 8, 4, 1).hidden_size == 32
    with pytest.raises(ConfigError, match=r"decoder\.output_size: found 16, but decoder\.fc_output_size says 32"):
        MLPClassifier(MLPClassifierSpec(output_size=16, fc_output_size=32), 8, 4, 1)
