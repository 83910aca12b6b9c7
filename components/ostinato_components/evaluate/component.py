"""The step `evaluate` as a KFP component."""

from kfp import dsl

from ostinato_components.images import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def evaluate(
    model: dsl.Input[dsl.Model],
    data: dsl.Input[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    classification_metrics: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
    statistics: dsl.Output[dsl.Artifact],
    predictions: dsl.Output[dsl.Dataset],
    split: str = "test",
    fingerprint: str = "",
) -> None:
    """Measures the model on rows it has not seen, and draws a report.

    Args:
        model: Folder that the step train wrote.
        data: Folder that the step preprocess wrote.
        split: Which rows: test, validation or training.
        fingerprint: Digest of config, data and seed; so that the cache tells one model from another.

    Returns:
        metrics: Every metric of every output, as figures that can be compared between runs.
        classification_metrics: Confusion matrix and ROC curve of the first output that has classes.
        report: Metrics, curves, confusion matrix, calibration, residuals, importance of the features.
        statistics: Every metric of every output, as JSON.
        predictions: Predictions for the rows of the split, as Parquet.
    """
    from ostinato_components.evaluate import run
    from ostinato_components.evaluate.kubeflow import kfp_classification, kfp_metrics
    from ostinato_components.task import task

    with task():
        result = run(
            model.path,
            data.path,
            split=split,  # type: ignore[arg-type]
            report_path=report.path,
            metrics_path=statistics.path,
            predictions_path=predictions.path,
        )
        for name, value in kfp_metrics(result).items():
            metrics.log_metric(name, value)
        shown = kfp_classification(result)
        if shown.labels:
            classification_metrics.log_confusion_matrix(list(shown.labels), [list(row) for row in shown.matrix])
        if shown.fpr:
            classification_metrics.log_roc_curve(list(shown.fpr), list(shown.tpr), list(shown.thresholds))
