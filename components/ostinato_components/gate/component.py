"""The step `gate` as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from ostinato_components.images import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def gate(
    dataset: str,
    bundle: dsl.Input[dsl.Model],
    config: str,
    report: dsl.Output[dsl.HTML],
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Judged", [("refusal", str)]):  # type: ignore[valid-type]
    """Measures the new model and the one in use on today's test rows, and decides whether it takes its place.

    Args:
        dataset: URI of the data that the new model was made of.
        bundle: The new model, as the step export wrote it.
        config: The section gate of the config as JSON: conditions, and where the model in use is.

    Returns:
        report: The decision, its reasons, and both models side by side.
        decision: The same as JSON.
        metrics: What was measured of both models.
        refusal: Why the model is refused, for the step verdict; empty where it is not.
    """
    from ostinato_components.deadline import ends_in_time
    from ostinato_components.gate import run
    from ostinato_components.task import task, to_json

    with task(), ends_in_time():
        judged = run(dataset, bundle.path, config, report.path, decision.path)
        for name, value in judged.figures().items():
            metrics.log_metric(name, value)
        return (to_json(judged.refusal) if judged.refusal else "",)
