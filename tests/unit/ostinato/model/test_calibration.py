import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ostinato.model.calibration import calibrated, fit_temperature


def test_the_temperature_of_logits_that_are_too_large_is_found():
    torch.manual_seed(0)
    logits = torch.randn(5_000, 4) * 2
    targets = torch.multinomial(logits.softmax(-1), 1).squeeze(-1)
    assert fit_temperature((logits * 3).softmax(-1), targets) == pytest.approx(3, rel=0.1)
    binary = torch.randn(5_000)
    assert fit_temperature(torch.sigmoid(binary * 3), torch.bernoulli(torch.sigmoid(binary))) == pytest.approx(
        3, rel=0.1
    )


def test_calibration_lowers_the_log_loss():
    torch.manual_seed(0)
    scores = (torch.randn(500, 3) * 5).softmax(-1)
    targets = torch.randint(0, 3, (500,))
    better = calibrated(scores, torch.tensor(fit_temperature(scores, targets)))
    assert F.nll_loss(better.log(), targets) < F.nll_loss(scores.clamp_min(1e-12).log(), targets)


@given(st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6), st.floats(0.05, 20))
def test_the_most_probable_class_stays(logits, temperature):
    scores = torch.tensor(logits).view(2, 3).softmax(-1)
    after = calibrated(scores, torch.tensor(temperature))
    chosen = scores.argmax(-1, keepdim=True)
    assert (after.gather(-1, chosen) >= after.amax(-1, keepdim=True) - 1e-6).all()
    binary = scores[:, 0]
    assert ((calibrated(binary, torch.tensor(temperature)) >= 0.5 - 1e-6) | (binary < 0.5)).all()


@pytest.mark.parametrize("scores", [torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1.0, 0.0])])
def test_perfect_scores_give_a_finite_temperature(scores):
    targets = torch.tensor([0, 1]) if scores.ndim == 2 else torch.tensor([1.0, 0.0])
    assert 0.05 <= fit_temperature(scores, targets) <= 20


def test_without_known_targets_the_temperature_is_one():
    assert fit_temperature(torch.rand(3, 2), torch.full((3,), -1)) == 1
