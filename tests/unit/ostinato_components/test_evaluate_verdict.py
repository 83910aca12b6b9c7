import pytest

from ostinato_components.evaluate.verdict import class_verdict, error_verdict


def verdict_of(error, trivial):
    name = "root_mean_squared_error"
    return error_verdict({name: error}, {name: trivial}, name, "the mean of the training rows")


@pytest.mark.parametrize(("error", "level"), [(5.0, "good"), (9.9, "weak"), (10.0, "bad"), (12.0, "bad")])
def test_a_number_is_measured_against_the_mean(error, level):
    assert verdict_of(error, 10.0).level == level


def test_a_constant_target_gets_no_verdict():
    assert verdict_of(0.0, 0.0) is None


@pytest.mark.parametrize(
    ("accuracy", "roc_auc", "rows", "level"),
    [
        (0.9, 0.95, 1000, "good"),
        (0.81, 0.5, 100, "weak"),  # may be chance
        (0.8, 0.9, 1000, "weak"),  # ranks, but does not decide
        (0.8, 0.5, 1000, "bad"),
        (0.7, 0.5, 1000, "bad"),
    ],
)
def test_classes_are_measured_against_the_most_frequent_one(accuracy, roc_auc, rows, level):
    verdict = class_verdict({"accuracy": accuracy, "roc_auc": roc_auc}, {"accuracy": 0.8}, "no", rows)
    assert verdict.level == level
    assert "always saying 'no' gets 80.0%" in verdict.text
