"""A model of every feature type, trained for a moment on rows with odd names, evaluated on its test split."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ostinato.batches import open_source
from ostinato.errors import DataError
from ostinato.load import load_config
from ostinato.predictor import Predictor
from ostinato_components import evaluate, preprocess, train
from ostinato_components.evaluate.kubeflow import kfp_classification, kfp_metrics

CONFIG = {
    "input_features": [
        {"name": "body.mass (g)", "type": "number"},
        {"name": "größe", "type": "category"},
        {"name": "is <b>old</b>", "type": "binary"},
        {"name": "notes", "type": "text", "encoder": {"type": "embed", "embedding_size": 4}},
    ],
    "output_features": [
        {"name": "price", "type": "number"},
        {"name": "sold", "type": "binary"},
        {"name": "kind", "type": "category"},
    ],
    "preprocessing": {"split": {"type": "fixed", "column": "part"}},
    "trainer": {"epochs": 15, "batch_size": 32, "learning_rate": 0.05},
}


def make_table(num_rows=300, seed=0):
    generator = np.random.default_rng(seed)
    mass = generator.normal(50, 10, num_rows)
    size = generator.choice(["klein", "groß", "<script>alert(1)</script>"], num_rows)
    old = generator.random(num_rows) < 0.4
    kind = np.where(mass > 55, "a", np.where(size == "groß", "b", "c")).astype(object)
    part = np.repeat([0, 1, 2], [num_rows // 2, num_rows // 4, num_rows - num_rows // 2 - num_rows // 4])
    kind[part == 2] = np.where(generator.random((part == 2).sum()) < 0.1, "never seen", kind[part == 2])
    return pa.table(
        {
            "body.mass (g)": pa.array(mass, mask=generator.random(num_rows) < 0.1),
            "größe": size,
            "is <b>old</b>": old,
            "notes": [f"a note of {word}" for word in size],
            "price": mass * 100 + 500 * old,
            "sold": np.where(mass + generator.normal(0, 3, num_rows) > 50, "yes", "no"),
            "kind": kind,
            "part": part,
        }
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate")
    path = root / "data.parquet"
    pq.write_table(make_table(), path)
    config = load_config(CONFIG).config
    preprocess.run(str(path), config, str(root / "data"))
    train.run(str(root / "data"), config, str(root / "model"))
    return root


@pytest.fixture(scope="module")
def result(folders):
    return evaluate.run(
        str(folders / "model"),
        str(folders / "data"),
        report_path=str(folders / "out" / "report.html"),
        metrics_path=str(folders / "out" / "metrics.json"),
        predictions_path=str(folders / "out" / "predictions.parquet"),
    )


def test_every_output_has_metrics_beside_the_trivial_ones(result):
    assert list(result.metrics) == ["price", "sold", "kind", "combined"]
    assert result.metrics["combined"]["loss"] > 0
    for output in result.outputs.values():
        assert set(output.baseline) >= set(output.metrics) - {"loss", "precision"}
    assert result.outputs["price"].baseline["r2"] == pytest.approx(0, abs=0.2)


def test_unknown_targets_are_wrong_and_reported(result):
    unknown = result.metrics["kind"]["unknown_targets"]
    assert unknown > 0
    assert any("target that no training row had" in warning for warning in result.warnings)
    assert result.metrics["kind"]["accuracy"] <= 1 - unknown / result.rows


def test_statistics_are_ludwigs_and_finite(result, folders):
    statistics = json.loads((folders / "out" / "metrics.json").read_text())
    assert statistics == result.statistics
    for name in ("sold", "kind"):
        assert {"confusion_matrix", "overall_stats", "per_class_stats"} <= set(statistics[name])
    assert {"roc_curve", "precision_recall_curve", "brier_score"} <= set(statistics["sold"])
    assert "NaN" not in json.dumps(statistics)
    assert "Infinity" not in json.dumps(statistics)


def test_predictions_are_written_as_ludwig_names_them(result, folders):
    table = pq.read_table(folders / "out" / "predictions.parquet")
    assert table.num_rows == result.rows
    assert table.column_names == result.predictions.column_names
    assert {"price_predictions", "sold_probabilities_yes", "kind_predictions"} <= set(table.column_names)


def test_predictions_of_the_split_are_those_of_its_raw_rows(result, folders):
    raw = make_table()
    test = raw.filter(pa.compute.equal(raw.column("part"), 2))
    again = Predictor.load(str(folders / "model")).predict(test)
    np.testing.assert_allclose(
        again.column("price_predictions"), result.predictions.column("price_predictions"), rtol=1e-5
    )
    assert again.column("kind_predictions").equals(result.predictions.column("kind_predictions"))


def test_the_report_is_one_file_without_script_that_escapes_data(result, folders):
    html = (folders / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "is <b>old" not in html
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "prefers-color-scheme: dark" in html
    for part in (
        "Confusion matrix",
        "ROC curve",
        "Calibration",
        "Largest errors",
        "Surest mistakes",
        "Learning curves",
    ):
        assert part in html


def test_what_kubeflow_gets_is_finite_and_small(result):
    metrics = kfp_metrics(result)
    assert metrics["sold.roc_auc"] > 0.5
    assert np.isfinite(list(metrics.values())).all()
    shown = kfp_classification(result)
    assert shown.labels == ("no", "yes") or shown.labels == ("yes", "no")
    assert np.sum(shown.matrix) == result.rows
    assert len(shown.fpr) == len(shown.tpr) == len(shown.thresholds) <= 200
    assert np.isfinite(shown.thresholds).all()


def test_raw_rows_have_the_metrics_of_the_preprocessed_ones(result, folders, tmp_path):
    raw = make_table()
    test = raw.filter(pa.compute.equal(raw.column("part"), 2))
    again = evaluate.evaluate_source(Predictor.load(str(folders / "model")), open_source(test))
    for name, metrics in result.metrics.items():
        for metric, value in metrics.items():
            assert again.metrics[name][metric] == pytest.approx(value, rel=1e-4), (name, metric)


def test_evaluating_the_training_file_says_so(folders):
    source = open_source(str(folders / "data.parquet"))
    found = evaluate.evaluate_source(Predictor.load(str(folders / "model")), source)
    assert any("was used to train this model" in warning for warning in found.warnings)


def test_rows_without_a_target_are_left_out_and_counted(folders):
    table = make_table(40, seed=1)
    prices = table.column("price").to_pylist()
    prices[:5] = [None] * 5
    table = table.set_column(table.column_names.index("price"), "price", pa.array(prices))
    found = evaluate.evaluate_source(Predictor.load(str(folders / "model")), open_source(table))
    assert found.rows == 35
    assert "5 rows without a target are left out" in found.warnings


def test_a_missing_target_column_is_named(folders):
    with pytest.raises(DataError, match="needs the targets"):
        evaluate.evaluate_source(
            Predictor.load(str(folders / "model")), open_source(make_table(9).drop_columns("sold"))
        )


def test_one_row_can_be_evaluated(folders):
    found = evaluate.evaluate_source(Predictor.load(str(folders / "model")), open_source(make_table(1)))
    assert found.rows == 1
    json.dumps(found.statistics, allow_nan=False)
