import pytest
import torch

from ostinato.encoders.category.nn import CategoryDense, CategoryPassthrough, CategorySparse, Hash, OneHot, Target
from ostinato.encoders.category.spec import (
    CategoryDenseSpec,
    CategoryPassthroughSpec,
    CategorySparseSpec,
    HashSpec,
    OneHotSpec,
    TargetSpec,
)
from ostinato.shape import Shape

FOUR = Shape("code", vocab_size=4)
CODES = torch.tensor([2, 0, 3], dtype=torch.int32)


def test_a_vector_has_at_most_as_many_units_as_there_are_codes():
    assert CategoryDense(CategoryDenseSpec(embedding_size=50), FOUR)(CODES).shape == (3, 4)
    assert CategoryDense(CategoryDenseSpec(embedding_size=2), FOUR)(CODES).shape == (3, 2)


def test_vectors_that_do_not_learn_have_no_gradient():
    encoder = CategoryDense(CategoryDenseSpec(embeddings_trainable=False), FOUR)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_one_hot_has_a_unit_a_code():
    expected = torch.eye(4)[CODES.long()]
    assert torch.equal(OneHot(OneHotSpec(), FOUR)(CODES), expected)
    assert torch.equal(CategorySparse(CategorySparseSpec(), FOUR)(CODES), expected)
    assert torch.equal(CategorySparse(CategorySparseSpec(embeddings_trainable=True), FOUR)(CODES), expected)


def test_passthrough_is_the_code():
    assert CategoryPassthrough(CategoryPassthroughSpec(), FOUR)(CODES).tolist() == [[2], [0], [3]]


def test_hashing_bounds_the_size_and_spreads_the_codes():
    encoder = Hash(HashSpec(num_hash_buckets=64, embedding_size=8), Shape("code", vocab_size=100_000))
    encoded = encoder(torch.arange(100_000, dtype=torch.int32))
    assert encoder.table.weight.shape == (64, 8)
    rows_of = encoded.unique(dim=0, return_counts=True)[1]
    assert len(rows_of) == 64
    assert rows_of.min() > 100_000 / 64 * 0.8


def test_the_target_encoding_is_the_mean_of_the_target_pulled_to_the_prior():
    torch.manual_seed(0)
    codes = torch.tensor([1] * 1000 + [2] * 1000 + [3], dtype=torch.int32)
    target = torch.cat([torch.randn(1000) + 5, torch.randn(1000) - 5, torch.tensor([40.0])])
    encoder = Target(TargetSpec(), Shape("code", vocab_size=5))
    encoder.fit(codes, target)
    mean = encoder.mean.flatten()
    assert mean[1] == pytest.approx(5, abs=0.1)
    assert mean[2] == pytest.approx(-5, abs=0.1)
    assert mean[3] < 40
    # Codes without rows: the prior.
    assert mean[0] == mean[4] == pytest.approx(target.mean().item(), abs=1e-5)


def test_a_category_that_tells_nothing_is_pulled_far_to_the_prior():
    torch.manual_seed(0)
    codes = torch.randint(1, 500, (1000,), dtype=torch.int32)
    target = (torch.rand(1000) < 0.3).float()
    encoder = Target(TargetSpec(), Shape("code", vocab_size=500))
    encoder.fit(codes, target)
    raw = torch.tensor([float(target[codes == code].mean()) for code in codes.unique()])
    assert encoder.mean.std() < raw.std() / 3


def test_rare_categories_do_not_give_their_target_away():
    """With a category of its own for each row the plain mean would be the target itself."""
    torch.manual_seed(0)
    codes = torch.arange(1, 1001, dtype=torch.int32)
    target = (torch.rand(1000) < 0.5).float()
    encoder = Target(TargetSpec(), Shape("code", vocab_size=1001))
    encoder.fit(codes, target)
    encoded = encoder.train()(codes).flatten()
    correlation = torch.corrcoef(torch.stack([encoded, target]))[0, 1]
    assert correlation.abs() < 0.5


def test_there_is_noise_in_training_only():
    encoder = Target(TargetSpec(), FOUR)
    encoder.fit(torch.tensor([1, 1, 1, 2, 2, 2]), torch.tensor([0.0, 1.0, 2.0, 5.0, 6.0, 7.0]))
    codes = torch.tensor([1, 2])
    assert not torch.equal(encoder.train()(codes), encoder(codes))
    assert torch.equal(encoder.eval()(codes), encoder(codes))


def test_a_category_target_gives_a_column_a_class_and_leaves_unknown_targets_out():
    encoder = Target(TargetSpec(), Shape("code", vocab_size=3, num_targets=3))
    codes = torch.tensor([1] * 60 + [2] * 60 + [2], dtype=torch.int32)
    target = torch.tensor([0] * 60 + [1] * 30 + [2] * 30 + [-1], dtype=torch.int32)
    encoder.fit(codes, target)
    assert encoder.output_shape == (3,)
    assert encoder.mean[1].tolist() == pytest.approx([1, 0, 0], abs=0.05)
    assert encoder.mean[2].tolist() == pytest.approx([0, 0.5, 0.5], abs=0.05)
    assert encoder.mean.sum(dim=1).tolist() == pytest.approx([1, 1, 1], abs=0.05)


def test_a_wider_target_encoding_has_a_linear_layer():
    encoder = Target(TargetSpec(output_size=6), FOUR)
    assert encoder(CODES).shape == (3, 6)


def test_an_empty_sample_leaves_the_encoding_finite():
    encoder = Target(TargetSpec(), FOUR)
    encoder.fit(torch.zeros(0, dtype=torch.int32), torch.zeros(0))
    assert torch.isfinite(encoder.eval()(CODES)).all()
