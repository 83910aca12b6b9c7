"""Names of metrics."""

from __future__ import annotations

from ostinato.features.spec import OUTPUTS
from ostinato.losses.spec import LOSSES
from ostinato.metrics.spec import ALIASES, COMBINED, METRICS, canonical, metric_names, objective


def test_every_output_type_has_metrics() -> None:
    assert set(METRICS) == set(OUTPUTS.names())


def test_aliases_lead_to_metrics() -> None:
    known = {name for metrics in METRICS.values() for name in metrics}
    assert set(ALIASES.values()) <= known
    assert canonical("accuracy_micro") == "accuracy"
    assert "accuracy_micro" in metric_names("category")


def test_a_name_means_the_same_way_everywhere() -> None:
    for metrics in METRICS.values():
        for name, metric in metrics.items():
            assert objective(name) == metric.objective


def test_losses_are_minimized_and_scores_maximized() -> None:
    assert objective("loss") == "minimize"
    assert objective("roc_auc") == "maximize"
    assert objective("accuracy_micro") == "maximize"


def test_the_combined_output_has_only_a_loss() -> None:
    assert metric_names(COMBINED) == ["loss"]


def test_the_default_losses_can_be_named_as_metrics() -> None:
    for name, loss in (("number", "mean_squared_error"), ("binary", "binary_weighted_cross_entropy")):
        assert loss in LOSSES.names(name)
        assert loss in metric_names(name)
