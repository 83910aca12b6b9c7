"""The step `notify` as a KFP component."""

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def notify(section: str, pipeline: str, run_id: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Tells people how the run ended. It never fails the run.

    Args:
        section: The section notify of the config as JSON.
        pipeline: Name of the pipeline.
        run_id: Id of the run, for the link.
        status: How it ended; Kubeflow fills it in.
    """
    from ostinato_components.notify import run
    from ostinato_components.task import task

    with task():
        error = status.error_message or ""
        run(section, pipeline=pipeline, run_id=run_id, state=status.state, error=error)
