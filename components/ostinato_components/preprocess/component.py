"""The step `preprocess` as a KFP component."""

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess(dataset: str, config: str, data: dsl.Output[dsl.Dataset], seed: int = 42, digest: str = "") -> None:
    """Splits the rows and encodes them into Parquet shards, with statistics fitted on the training rows only.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The config, or the part of it that preprocessing reads, as canonical JSON.
        seed: Seed of the split.
        digest: Digest of the data's content; so that the cache tells changed data from the old.

    Returns:
        data: Folder of Parquet shards for training, validation and test, with a manifest.
    """
    from ostinato.load import from_json
    from ostinato_components.preprocess import run
    from ostinato_components.task import task

    with task():
        manifest = run(dataset, from_json(config), data.path, seed=seed)
        data.metadata.update({f"{split}_rows": manifest.rows(split) for split in manifest.splits})
