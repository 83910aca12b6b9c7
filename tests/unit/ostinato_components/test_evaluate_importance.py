import numpy as np

from ostinato_components.evaluate.importance import permutation_importance

GENERATOR = np.random.default_rng(0)
INPUTS = {
    "strong": GENERATOR.normal(size=500).astype(np.float32),
    "weak": GENERATOR.normal(size=500).astype(np.float32),
    "none": GENERATOR.integers(0, 9, (500, 3)),
}
TARGET = INPUTS["strong"] * 3 + INPUTS["weak"]


def measure(inputs, rows):
    return {"y": -float(np.mean((inputs["strong"] * 3 + inputs["weak"] - TARGET[rows]) ** 2))}


def test_features_are_ordered_by_what_the_metric_loses():
    found = permutation_importance(INPUTS, measure, seed=1).by_output["y"]
    assert [importance.feature for importance in found] == ["strong", "weak", "none"]
    assert found[0].drop > found[1].drop > 0
    assert (found[2].drop, found[2].deviation) == (0, 0)


def test_the_seed_decides():
    first, second, third = (permutation_importance(INPUTS, measure, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != third


def test_rows_are_bounded():
    assert permutation_importance(INPUTS, measure, seed=1, max_rows=50).rows == 50


def test_what_there_is_no_time_for_is_named():
    found = permutation_importance(INPUTS, measure, seed=1, max_seconds=-1)
    assert found.left_out == ("strong", "weak", "none")
    assert found.by_output == {"y": ()}
