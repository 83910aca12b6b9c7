"""The step `infer_schema` as a KFP component."""

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def infer_schema(
    dataset: str,
    config: str,
    schema: dsl.Output[dsl.Artifact],
    statistics: dsl.Output[dsl.Artifact],
    profile: dsl.Output[dsl.HTML],
    digest: str = "",
) -> None:
    """Reads the data as a stream, infers the type of each column, and draws a profile of the data.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The config, or the part of it that preprocessing reads, as canonical JSON.
        digest: Digest of the data's content; so that the cache tells changed data from the old.

    Returns:
        schema: The columns and their types, as JSON.
        statistics: Statistics of each column, as JSON.
        profile: The data at a glance: types, missing values, distributions, warnings.
    """
    from ostinato_components.infer_schema import run
    from ostinato_components.task import task

    with task():
        run(dataset, config, schema.path, statistics.path, profile.path)
