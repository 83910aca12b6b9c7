"""The step `register` as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from ostinato_components.images import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def register(
    section: str, bundle: dsl.Input[dsl.Model], metrics: dsl.Input[dsl.Metrics], run_id: str = ""
) -> NamedTuple("Registered", [("version", str)]):  # type: ignore[valid-type]
    """Enters a model into a registry. Done twice with the same model, it is done once.

    Args:
        section: The section registry of the config as JSON.
        bundle: The model, as the step export wrote it.
        metrics: Its figures, as the step evaluate wrote them.
        run_id: Id of the run, which the registry shows.

    Returns:
        version: Name or number of the model's version.
    """
    from ostinato_components.register import run
    from ostinato_components.task import task

    with task():
        return (run(section, bundle.path, bundle.uri, dict(metrics.metadata), run_id=run_id),)
