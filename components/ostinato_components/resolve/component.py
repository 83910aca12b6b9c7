"""The step `resolve` as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def resolve(
    dataset: str, config: str, overrides: str = "{}", seed: int = 42, many_nodes: bool = False, storage: str = ""
) -> NamedTuple(  # type: ignore[valid-type]
    "Resolved", [("config", str), ("data_config", str), ("digest", str), ("fingerprint", str), ("storage", str)]
):
    """Merges and validates the config and takes the digest of the data. Cheap, and never cached.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The config, as YAML or JSON.
        overrides: JSON object of dotted paths that replace fields of the config.
        seed: Seed of the split and of training.
        many_nodes: Whether several machines may be asked for: whether the DAG has the step train_nodes.
        storage: URI of a folder for what must outlive a pod, in place of that in the config; empty to keep that.

    Returns:
        config: The whole config as canonical JSON, overrides merged; compressed where it is large.
        data_config: The part of the config that preprocessing reads, in the same form.
        digest: Digest of the data's content, with the library's version.
        fingerprint: Digest of config, data, seed and library together.
        storage: URI of the folder for what must outlive a pod; empty where the config names none.
    """
    from ostinato_components.resolve import run
    from ostinato_components.task import task

    with task():
        resolved = run(config, overrides, dataset, seed, many_nodes=many_nodes, storage=storage)
        return (resolved.config, resolved.data_config, resolved.digest, resolved.fingerprint, resolved.storage)
