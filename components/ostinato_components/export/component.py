"""The step `export` as a KFP component."""

from kfp import dsl

from ostinato_components.images import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def export(
    model: dsl.Input[dsl.Model],
    data: dsl.Input[dsl.Dataset],
    bundle: dsl.Output[dsl.Model],
    fingerprint: str = "",
    require_onnx: bool = False,
) -> None:
    """Makes one bundle that takes raw rows and gives predictions, and checks that it agrees with the model.

    Args:
        model: Folder that the step train wrote.
        data: Folder that the step preprocess wrote; some of its rows check the bundle.
        fingerprint: Digest of config, data and seed; so that the cache tells one model from another.
        require_onnx: Whether a network that can't be said in ONNX is an error; else its bundle needs torch.

    Returns:
        bundle: Folder with the model, the transform of raw rows, and the network as ONNX.
    """
    from ostinato_components.deadline import ends_in_time
    from ostinato_components.task import task

    with task(), ends_in_time():
        from ostinato_components.export import run

        run(model.path, data.path, bundle.path, require_onnx=require_onnx)
