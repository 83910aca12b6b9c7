"""What the run page takes: figures that are finite, matrices and curves of bounded size, by KFP's own artifacts."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from kfp import dsl

from ostinato_components.evaluate.classes import ClassCounts
from ostinato_components.evaluate.curves import roc_curve
from ostinato_components.evaluate.kubeflow import kfp_classification, kfp_metrics


@dataclass
class Output:
    """As much of an evaluated output as the run page is made of."""

    counts: ClassCounts
    roc: Any

    @property
    def classes(self):
        return self.counts.classes


@dataclass
class Result:
    statistics: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)


def test_what_is_no_number_is_left_out_and_the_rest_is_there():
    values = {"r2": math.nan, "loss": math.inf, "mae": 1.5, "flag": True, "confusion_matrix": [[1]], "none": None}
    found = kfp_metrics(Result({"price": values, "sold": {"accuracy": np.float64(0.5)}}))
    assert found == {"price.mae": 1.5, "price.flag": 1.0, "sold.accuracy": 0.5}
    artifact = dsl.Metrics()
    for name, value in found.items():
        artifact.log_metric(name, value)
    json.dumps(artifact.metadata, allow_nan=False)


@pytest.fixture(scope="module")
def ten_thousand():
    """10,000 classes, some of which say that they are a page, and scores at both ends."""
    generator = np.random.default_rng(0)
    classes = tuple(f"<b>{number}</b>\n{{{{$}}}}" for number in range(10_000))
    actual = generator.integers(-1, 10_000, 30_000)
    predicted = np.where(generator.random(30_000) < 0.5, np.maximum(actual, 0), generator.integers(0, 10_000, 30_000))
    scores = generator.choice(np.float32([0, 1e-9, 0.5, 1]), 30_000)
    return Result({}, {"kind": Output(ClassCounts(predicted, actual, classes), roc_curve(scores, actual > 5000))})


def test_ten_thousand_classes_are_fifty_in_the_matrix_and_no_row_is_lost(ten_thousand):
    shown = kfp_classification(ten_thousand)
    assert len(shown.labels) == len(shown.matrix) == 50
    assert shown.labels[-1] == "(other classes)"
    assert np.sum(shown.matrix) == np.sum(ten_thousand.outputs["kind"].counts.actual >= 0)


def test_kfp_takes_matrix_and_curve_and_they_are_small(ten_thousand):
    shown, artifact = kfp_classification(ten_thousand), dsl.ClassificationMetrics()
    artifact.log_confusion_matrix(list(shown.labels), [list(row) for row in shown.matrix])
    artifact.log_roc_curve(list(shown.fpr), list(shown.tpr), list(shown.thresholds))
    text = json.dumps(artifact.metadata, allow_nan=False)
    assert len(text) < 60_000
    assert json.loads(text)["confidenceMetrics"][0]["confidenceThreshold"] > 1
