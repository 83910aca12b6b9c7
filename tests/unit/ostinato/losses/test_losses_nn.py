import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ostinato.blocks.nn.activations import sparsemax
from ostinato.errors import ConfigError
from ostinato.losses.nn.distribution import ExpectedLoss
from ostinato.losses.spec import LOSSES
from ostinato.registry import implementation
from ostinato.shape import Shape

NUMBER = Shape("number")
BINARY = Shape("binary", classes=("no", "yes"), class_counts=(6, 4))
CLASSES = Shape("code", vocab_size=3, classes=("b", "a", "c"), class_counts=(6, 3, 1))
VECTOR = Shape("vector", length=3)
SET = Shape("set", vocab_size=3, length=2, classes=("b", "a", "c"), class_counts=(6, 3, 1), rows=8)
SHAPES = {
    "number": NUMBER,
    "binary": BINARY,
    "category": CLASSES,
    "category_distribution": CLASSES,
    "set": SET,
    "vector": VECTOR,
}
LOGITS = torch.tensor([[1.0, -0.5, 0.25], [0.0, 2.0, -1.0], [3.0, 0.5, 0.5], [-1.0, -2.0, 1.5]])
CODES = torch.tensor([0, 2, 1, 2], dtype=torch.int32)
LOGIT = torch.tensor([[0.5], [-1.5], [2.0], [0.0]])
TRUE = torch.tensor([1.0, 0.0, 0.0, 1.0])
SHARES = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.1, 0.7], [0.0, 0.6, 0.4], [0.1, 0.2, 0.7]])
SYMBOLS = torch.tensor([[0, 2], [1, -1], [-1, -1], [0, 1]], dtype=torch.int32)
EVERY = [(group, name) for group, specs in LOSSES.specs.items() for name in specs]


def loss_of(group, name, shape=None, **parameters):
    spec = LOSSES.get(name, group).model_validate({"type": name, **parameters})
    loss = implementation(type(spec))(spec, shape or SHAPES[group])
    return ExpectedLoss(spec, CLASSES, loss) if group == "category_distribution" else loss


def example(group, loss):
    """Logits and targets of four rows."""
    torch.manual_seed(1)
    logits = torch.randn(4, loss.num_logits)
    targets = {"number": torch.randn(4), "binary": TRUE, "category": CODES, "category_distribution": SHARES,
               "set": SYMBOLS, "vector": SHARES}  # fmt: skip
    return logits, targets[group]


@pytest.mark.parametrize(("group", "name"), EVERY)
def test_a_loss_is_finite_and_so_is_its_gradient(group, name):
    loss = loss_of(group, name)
    for scale in (0.0, 1.0, 50.0):
        logits, targets = example(group, loss)
        logits = (logits * scale).requires_grad_()
        value = loss(logits, targets)
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("group", "name"), EVERY)
def test_going_down_the_gradient_makes_a_loss_small_and_predicts_the_target(group, name):
    loss = loss_of(group, name)
    if name == "objectosphere":
        loss = loss_of(group, name, zeta=0.001)
    _, targets = example(group, loss)
    logits = torch.zeros(4, loss.num_logits, requires_grad=True)
    before = loss(logits, targets).item()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        value = loss(logits, targets)
        value.backward()
        optimizer.step()
    assert value.item() < before
    scores = loss.link(logits.detach())
    if group == "category":
        assert scores.argmax(dim=-1).tolist() == CODES.tolist()
    elif group == "category_distribution":
        if name != "objectosphere":
            assert scores.argmax(dim=-1).tolist() == SHARES.argmax(dim=-1).tolist()
    elif group == "set":
        assert (scores > 0.5).tolist() == [[True, False, True], [False, True, False], [False] * 3, [True, True, False]]
    elif group == "binary":
        assert (scores.squeeze(-1) > 0.5).float().tolist() == TRUE.tolist()
    else:
        assert scores.squeeze(-1).numpy() == pytest.approx(targets.numpy(), abs=0.3)


@pytest.mark.parametrize(("group", "name"), [entry for entry in EVERY if entry[0] in ("binary", "category")])
def test_rows_with_an_unknown_target_are_left_out(group, name):
    loss = loss_of(group, name)
    logits, targets = example(group, loss)
    more = torch.cat([logits, torch.full((2, loss.num_logits), 1e3)])
    unknown = torch.cat([targets, torch.full((2,), -1).to(targets.dtype)])
    assert loss(more, unknown).item() == pytest.approx(loss(logits, targets).item(), rel=1e-6)


@pytest.mark.parametrize(("group", "name"), [entry for entry in EVERY if entry[0] in ("binary", "category")])
def test_no_known_target_at_all_gives_zero(group, name):
    loss = loss_of(group, name)
    logits, targets = example(group, loss)
    logits.requires_grad_()
    value = loss(logits, torch.full_like(targets, -1))
    value.backward()
    assert value.item() == 0
    assert logits.grad.abs().sum() == 0


@pytest.mark.parametrize("name", LOSSES.names("category"))
def test_the_loss_of_a_certain_distribution_is_that_of_its_class(name):
    """With class weights too: the expected weight of a certain class is its own."""
    parameters = {"class_weights": [1.0, 2.0, 5.0]} if name == "softmax_cross_entropy" else {}
    certain = F.one_hot(CODES.long(), 3).float()
    expected, own = loss_of("category_distribution", name, **parameters), loss_of("category", name, **parameters)
    logits, _ = example("category", own)
    assert expected(logits, certain).item() == pytest.approx(own(logits, CODES).item(), rel=1e-5)


def test_the_expected_cross_entropy_is_that_of_torch():
    expected = F.cross_entropy(LOGITS, SHARES).item()
    assert loss_of("category_distribution", "softmax_cross_entropy")(LOGITS, SHARES).item() == pytest.approx(expected)
    assert loss_of("vector", "softmax_cross_entropy")(LOGITS, SHARES).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1.0, 1.0, 1.0], (1, 1, 1)), ({"a": 2.0, "b": 1.0, "c": 3.0}, (1, 2, 3)), ("balanced", (2 / 6, 5 / 3, 7))],
)
def test_weights_of_symbols_are_those_of_the_rows_that_have_them(weights, expected):
    has = torch.tensor([[1.0, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]])
    wanted = F.binary_cross_entropy_with_logits(LOGITS, has, pos_weight=torch.tensor(expected)).item()
    found = loss_of("set", "sigmoid_cross_entropy", class_weights=weights)(LOGITS, SYMBOLS).item()
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES.names("category"))
def test_scores_of_classes_are_probabilities(name):
    loss = loss_of("category", name)
    logits, _ = example("category", loss)
    scores = loss.link(logits)
    assert scores.shape == (4, 3)
    assert scores.min() >= 0
    assert scores.sum(dim=-1).tolist() == pytest.approx([1] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("mean_squared_error", {}, (1 + 4 + 0 + 9) / 4),
        ("root_mean_squared_error", {}, math.sqrt((1 + 4 + 0 + 9) / 4)),
        ("mean_absolute_error", {}, (1 + 2 + 0 + 3) / 4),
        ("huber", {"delta": 2.0}, (0.5 + 2 + 0 + 2 * (3 - 1)) / 4),
    ],
)
def test_losses_of_numbers_by_hand(name, parameters, expected):
    predicted = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    assert loss_of("number", name, **parameters)(predicted, torch.tensor([0.0, 0.0, 3.0, 7.0])).item() == pytest.approx(
        expected
    )


def test_percentages_are_those_of_the_columns_own_units():
    shape = Shape("number", scale=10.0, offset=100.0)
    predicted, true = torch.tensor([[1.0], [-1.0]]), torch.tensor([0.0, 1.0])  # 110 for 100, 90 for 110
    errors = [10 / 100, 20 / 110]
    assert loss_of("number", "mean_absolute_percentage_error", shape)(predicted, true).item() == pytest.approx(
        sum(errors) / 2
    )
    assert loss_of("number", "root_mean_squared_percentage_error", shape)(predicted, true).item() == pytest.approx(
        math.sqrt(sum(error**2 for error in errors) / 2)
    )


def test_percentages_undo_the_logarithm():
    shape = Shape("number", log1p=True)
    predicted, true = torch.tensor([[math.log(4)]]), torch.tensor([math.log(3)])  # 3 for 2
    assert loss_of("number", "mean_absolute_percentage_error", shape)(predicted, true).item() == pytest.approx(0.5)


def test_a_target_of_zero_gives_a_finite_percentage():
    shape = Shape("number", scale=2.0)
    assert loss_of("number", "mean_absolute_percentage_error", shape)(
        torch.tensor([[1.0]]), torch.tensor([0.0])
    ).item() == pytest.approx(2 / 0.002)


def test_binary_cross_entropy_is_torchs():
    loss = loss_of("binary", "binary_weighted_cross_entropy", positive_class_weight=3.0)
    expected = F.binary_cross_entropy_with_logits(LOGIT.squeeze(-1), TRUE, pos_weight=torch.tensor(3.0))
    assert loss(LOGIT, TRUE).item() == pytest.approx(expected.item())


def test_robust_lambda_mixes_in_a_constant():
    plain = loss_of("binary", "binary_weighted_cross_entropy")(LOGIT, TRUE).item()
    robust = loss_of("binary", "binary_weighted_cross_entropy", robust_lambda=0.2)(LOGIT, TRUE).item()
    assert robust == pytest.approx(0.8 * plain + 0.1)
    plain = loss_of("category", "softmax_cross_entropy")(LOGITS, CODES).item()
    robust = loss_of("category", "softmax_cross_entropy", robust_lambda=0.3)(LOGITS, CODES).item()
    assert robust == pytest.approx(0.7 * plain + 0.1)


def test_the_confidence_penalty_is_0_for_the_uniform_and_1_for_the_certain():
    for group, name, uniform, certain in (
        ("binary", "binary_weighted_cross_entropy", torch.zeros(1, 1), torch.full((1, 1), 60.0)),
        ("category", "softmax_cross_entropy", torch.zeros(1, 3), torch.tensor([[0.0, 60.0, 0.0]])),
    ):
        target = torch.ones(1)
        plain, penalized = loss_of(group, name), loss_of(group, name, confidence_penalty=0.5)
        assert (penalized(uniform, target) - plain(uniform, target)).item() == pytest.approx(0, abs=1e-6)
        assert (penalized(certain, target) - plain(certain, target)).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given_weights", "weights"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ({"a": 2.0, "b": 1.0, "c": 3.0}, [1.0, 2.0, 3.0]),
        ("balanced", [10 / 18, 10 / 9, 10 / 3]),
    ],
)
def test_class_weights_are_torchs(given_weights, weights):
    loss = loss_of("category", "softmax_cross_entropy", class_weights=given_weights)
    expected = F.cross_entropy(LOGITS, CODES.long(), weight=torch.tensor(weights))
    assert loss(LOGITS, CODES).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"class_weights": [1.0, 2.0]}, "found 2 weights"),
        ({"class_weights": {"a": 1.0, "b": 1.0, "C": 1.0}}, "there is no class 'C'"),
        ({"class_weights": {"a": 1.0, "b": 1.0}}, "no weight for class 'c'"),
        ({"class_similarities": [[1.0, 0.0]]}, "found 1 rows of 2"),
    ],
)
def test_weights_and_similarities_of_other_classes_are_errors(parameters, message):
    with pytest.raises(ConfigError, match=message):
        loss_of("category", "softmax_cross_entropy", **parameters)


def test_class_similarities_soften_the_target():
    similarities = [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    loss = loss_of(
        "category", "softmax_cross_entropy", class_similarities=similarities, class_similarities_temperature=0.5
    )
    soft = (torch.tensor(similarities) / 0.5).softmax(dim=-1)[CODES.long()]
    assert loss(LOGITS, CODES).item() == pytest.approx(F.cross_entropy(LOGITS, soft).item())
    hard = loss_of("category", "softmax_cross_entropy", class_similarities=similarities)
    assert hard(LOGITS, CODES).item() == pytest.approx(F.cross_entropy(LOGITS, CODES.long()).item())


def test_focal_by_hand():
    p = 0.8
    logit = torch.tensor([[math.log(p / (1 - p))]])
    assert loss_of("binary", "focal")(logit, torch.ones(1)).item() == pytest.approx(-0.25 * 0.2**2 * math.log(0.8))
    assert loss_of("binary", "focal")(logit, torch.zeros(1)).item() == pytest.approx(-0.75 * 0.8**2 * math.log(0.2))
    two = torch.tensor([[0.0, math.log(p / (1 - p)), -50.0]])
    assert loss_of("category", "focal")(two, torch.ones(1)).item() == pytest.approx(-0.25 * 0.2**2 * math.log(0.8))


def test_focal_without_focus_is_cross_entropy():
    loss = loss_of("category", "focal", alpha=1.0, gamma=0.0)
    assert loss(LOGITS, CODES).item() == pytest.approx(F.cross_entropy(LOGITS, CODES.long()).item())


def test_poly_by_hand():
    p = LOGITS.softmax(-1)[torch.arange(4), CODES.long()]
    assert loss_of("category", "poly", epsilon=2.0)(LOGITS, CODES).item() == pytest.approx(
        (-p.log() + 2 * (1 - p)).mean().item()
    )


def test_background_rows_are_pushed_to_the_uniform_distribution():
    loss = loss_of("category", "entropic_open_set", background_class=2)
    log_p = LOGITS.log_softmax(-1)
    expected = -(log_p[0, 0] + log_p[1].mean() + log_p[2, 1] + log_p[3].mean()) / 4
    assert loss(LOGITS, CODES).item() == pytest.approx(expected.item())
    binary = loss_of("binary", "entropic_open_set", background_class=0)
    assert binary(torch.zeros(1, 1), torch.zeros(1)).item() == pytest.approx(math.log(2))


def test_objectosphere_adds_a_penalty_on_the_length():
    plain = loss_of("category", "entropic_open_set", background_class=2)
    loss = loss_of("category", "objectosphere", background_class=2, xi=2.0, zeta=0.5)
    lengths = LOGITS.norm(dim=-1)
    penalties = [max(2 - lengths[0], 0) ** 2, lengths[1] ** 2, max(2 - lengths[2], 0) ** 2, lengths[3] ** 2]
    expected = plain(LOGITS, CODES) + 0.5 * sum(penalties) / 4
    assert loss(LOGITS, CODES).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_background_class_that_is_none_is_an_error():
    with pytest.raises(ConfigError, match="found 3"):
        loss_of("category", "entropic_open_set", background_class=3)


def test_the_gradient_of_sparsemax_loss_is_link_minus_target():
    logits = LOGITS.clone().requires_grad_()
    loss_of("category", "sparsemax")(logits, CODES).backward()
    expected = (sparsemax(LOGITS) - F.one_hot(CODES.long(), 3)) / 4
    assert torch.allclose(logits.grad, expected, atol=1e-6)


def test_sparsemax_loss_of_two_classes_by_hand():
    # Martins and Astudillo (2016), section 3.3, t = z1 - z2: 0 for t >= 1, -t for t <= -1, else (t - 1)^2 / 4.
    loss = loss_of("category", "sparsemax", Shape("code", vocab_size=2, classes=("a", "b"), class_counts=(1, 1)))
    for t, expected in ((2.0, 0.0), (-2.0, 2.0), (0.5, 0.0625)):
        assert loss(torch.tensor([[t, 0.0]]), torch.zeros(1)).item() == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 2), st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_the_sparse_losses_are_zero_or_more_and_zero_where_the_link_is_certain(target, logits):
    for name in ("sparsemax", "entmax15"):
        loss = loss_of("category", name)
        row = torch.tensor([logits])
        assert loss(row, torch.tensor([target])).item() >= -1e-5
        certain = F.one_hot(torch.tensor([target]), 3) * 20.0
        assert loss(certain, torch.tensor([target])).item() == pytest.approx(0, abs=1e-5)


def test_corn_by_hand():
    # The order of the codes is by name: a (code 1), b (code 0), c (code 2).
    loss = loss_of("category", "corn")
    logits = torch.tensor([[0.3, -0.7]]).expand(3, 2)
    s0, s1 = torch.sigmoid(torch.tensor([0.3, -0.7]))
    codes = torch.tensor([1, 0, 2])
    terms = [-(1 - s0).log(), -s0.log(), -(1 - s1).log(), -s0.log(), -s1.log()]
    assert loss(logits, codes).item() == pytest.approx((sum(terms) / len(terms)).item())
    assert loss.link(logits[:1])[0].tolist() == pytest.approx(
        [(s0 * (1 - s1)).item(), (1 - s0).item(), (s0 * s1).item()]
    )


def test_corn_orders_classes_that_are_numbers_by_number():
    shape = Shape("code", vocab_size=3, classes=("10", "9", "2"), class_counts=(3, 2, 1))
    assert loss_of("category", "corn", shape).rank.tolist() == [2, 1, 0]
