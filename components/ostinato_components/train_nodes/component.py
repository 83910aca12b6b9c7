"""The step `train` on several nodes as a KFP component."""

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(
    base_image=DATA_IMAGE,
    install_kfp_package=False,
    # What is asked of this task is for the nodes, not for the pod that only waits for them.
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
        dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
        dsl.TaskConfigField.KUBERNETES_AFFINITY,
    ],
)
def train_nodes(
    data: dsl.Input[dsl.Dataset],
    config: str,
    image: str,
    task_config: dsl.TaskConfig,
    model: dsl.Output[dsl.Model],
    learning_curves: dsl.Output[dsl.HTML],
    seed: int = 42,
    digest: str = "",
) -> None:
    """Trains the model on several nodes, by a TrainJob of Kubeflow Trainer, and keeps the best of all epochs.

    Args:
        data: Folder that the step preprocess wrote.
        config: The config as canonical JSON; backend.storage and backend.trainer say where and by how many.
        image: Image of the nodes: ostinato-train.
        task_config: Resources and placement of each node, filled in by Kubeflow from the settings of this task.
        seed: Seed of the weights and of the order of the rows.
        digest: Digest of the data's content; so that the cache tells changed data from the old.

    Returns:
        model: Folder with weights (safetensors), config, statistics and history (JSON).
        learning_curves: Loss and metrics by epoch.
    """
    from ostinato.load import from_json
    from ostinato_components.task import task
    from ostinato_components.train_nodes import run
    from ostinato_components.train_nodes.nodes import Placement

    with task():
        run(
            data.path,
            from_json(config),
            model.path,
            learning_curves.path,
            image=image,
            seed=seed,
            placement=Placement(
                resources=task_config.resources,
                tolerations=task_config.tolerations,
                node_selector=task_config.node_selector,
                affinity=task_config.affinity,
            ),
        )
