"""The step `train` as a KFP component."""

from kfp import dsl

from ostinato_components.images import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def train(
    data: dsl.Input[dsl.Dataset],
    config: str,
    model: dsl.Output[dsl.Model],
    learning_curves: dsl.Output[dsl.HTML],
    seed: int = 42,
    digest: str = "",
    accelerators: str = "0",
) -> None:
    """Trains the model and keeps the best of all epochs by the validation metric.

    Trains on all GPUs of the pod. A worker that crashes or hangs is started again from its checkpoint. With
    backend.storage in the config the checkpoints lie there, and a new run of the same config and data goes on from
    them.

    Args:
        data: Folder that the step preprocess wrote.
        config: The config as canonical JSON.
        seed: Seed of the weights and of the order of the rows.
        digest: Digest of the data's content; so that the cache tells changed data from the old.
        accelerators: Number of accelerators that the pod was to get; where it has none, that is an error.

    Returns:
        model: Folder with weights (safetensors), config, statistics and history (JSON).
        learning_curves: Loss and metrics by epoch.
    """
    from ostinato.load import from_json
    from ostinato_components.task import task
    from ostinato_components.train import checkpointing, run
    from ostinato_components.train.processes import check_accelerators

    with task():
        check_accelerators(accelerators)
        run(
            data.path,
            from_json(config),
            model.path,
            seed=seed,
            is_supervised=True,
            learning_curves_path=learning_curves.path,
            **checkpointing(from_json(config), model.path),
        )
