"""The step `verdict` as a KFP component."""

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def verdict(refusal: str = "") -> None:
    """Ends the run where the step before has refused the data or the model; says why, with an exit code of its own.

    Args:
        refusal: What validate_data or gate gave as refusal; empty where there is none.
    """
    from ostinato_components.task import task
    from ostinato_components.verdict import run

    with task():
        run(refusal)
