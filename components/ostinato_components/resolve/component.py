"""The step `resolve` as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def resolve(
    dataset: str,
    config: str,
    overrides: str = "{}",
    seed: int = 42,
    many_nodes: bool = False,
    storage: str = "",
    guards: str = "",
) -> NamedTuple(  # type: ignore[valid-type]
    "Resolved",
    [
        ("config", str),
        ("data_config", str),
        ("digest", str),
        ("fingerprint", str),
        ("storage", str),
        ("data_contract", str),
        ("gate", str),
    ],
):
    """Merges and validates the config and takes the digest of the data. Cheap, and never cached.

    Args:
        dataset: URI of the data: a file, folder or pattern; local, s3://, gs://, http(s)://.
        config: The config, as YAML or JSON.
        overrides: JSON object of dotted paths that replace fields of the config.
        seed: Seed of the split and of training.
        many_nodes: Whether several machines may be asked for: whether the DAG has the step train_nodes.
        storage: URI of a folder for what must outlive a pod, in place of that in the config; empty to keep that.
        guards: Sections of the config for which the DAG has a step, with spaces between: data_contract, gate.

    Returns:
        config: The config as canonical JSON, overrides merged, without data_contract and gate; compressed where large.
        data_config: The part of the config that preprocessing reads, in the same form.
        digest: Digest of the data's content, with the library's version.
        fingerprint: Digest of config, data, seed and library together.
        storage: URI of the folder for what must outlive a pod; empty where the config names none.
        data_contract: What the data are checked for, as canonical JSON; empty where the config does not ask.
        gate: What is asked of the new model, as canonical JSON; empty where the config does not ask.
    """
    from ostinato_components.resolve import run
    from ostinato_components.task import task

    with task():
        resolved = run(config, overrides, dataset, seed, many_nodes=many_nodes, storage=storage, guards=guards.split())
        return tuple(vars(resolved).values())
