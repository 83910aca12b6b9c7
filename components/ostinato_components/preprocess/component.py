"""The step `preprocess` as KFP components: one for all of it, or five whose tasks share the work."""

from typing import List  # noqa: UP035 (KFP knows this one by name)

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess(
    dataset: str, config: str, data: dsl.Output[dsl.Dataset], seed: int = 42, digest: str = "", storage: str = ""
) -> None:
    """Splits the rows and encodes them into Parquet shards, with statistics fitted on the training rows only.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The config, or the part of it that preprocessing reads, as canonical JSON.
        seed: Seed of the split.
        digest: Digest of the data's content; so that the cache tells changed data from the old.
        storage: URI of a folder below which the shards go; empty to keep them with the data folder.

    Returns:
        data: Folder of Parquet shards for training, validation and test, with a manifest.
    """
    from ostinato.load import from_json
    from ostinato_components.preprocess import run
    from ostinato_components.task import task

    with task():
        manifest = run(dataset, from_json(config), data.path, seed=seed, storage=storage)
        data.metadata.update({f"{split}_rows": manifest.rows(split) for split in manifest.splits})


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess_plan(
    dataset: str, config: str, storage: str, shards: int, seed: int = 42, digest: str = ""
) -> List[str]:  # noqa: UP006
    """Cuts the data into parts, one for each task of the next steps.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The part of the config that preprocessing reads, as canonical JSON.
        storage: URI of a folder that all tasks can read and write.
        shards: Number of tasks that share the work.
        seed: Seed of the split.
        digest: Digest of the data's content; so that the cache tells changed data from the old.

    Returns:
        Output: URIs of the parts; they change with the content of the data.
    """
    from ostinato_components.preprocess import plan_parts
    from ostinato_components.task import task

    with task():
        return plan_parts(dataset, config, storage, shards, seed=seed)


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess_analyze(part: str) -> str:
    """Splits the rows of a part, and takes the statistics of those that train.

    Args:
        part: URI of the part.

    Returns:
        Output: URI of the part.
    """
    from ostinato_components.preprocess import analyze_part
    from ostinato_components.task import task

    with task():
        return analyze_part(part)


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess_merge(parts: List[str]) -> str:  # noqa: UP006
    """Fits every column on the training rows of all parts.

    Args:
        parts: URIs of the parts.

    Returns:
        Output: URI of what was fitted.
    """
    from ostinato_components.preprocess import merge_parts
    from ostinato_components.task import task

    with task():
        return merge_parts(parts)


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess_encode(part: str, merged: str) -> str:
    """Encodes rows into Parquet shards: as many as fall to each part.

    Args:
        part: URI of the part.
        merged: URI of what was fitted.

    Returns:
        Output: URI of the part.
    """
    from ostinato_components.preprocess import encode_share
    from ostinato_components.task import task

    with task():
        return encode_share(part, merged)


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def preprocess_collect(parts: List[str], data: dsl.Output[dsl.Dataset]) -> None:  # noqa: UP006
    """Writes the manifest of all shards, which stay in the storage.

    Args:
        parts: URIs of the parts.

    Returns:
        data: Folder with the manifest and statistics.
    """
    from ostinato_components.preprocess import collect_shares
    from ostinato_components.task import task

    with task():
        manifest = collect_shares(parts, data.path)
        data.metadata.update({f"{split}_rows": manifest.rows(split) for split in manifest.splits})
