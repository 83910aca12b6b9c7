"""The DAG: resolve -> infer_schema -> preprocess -> train (or train_nodes) -> evaluate -> export.

Where the config asks for it, validate_data stands before preprocess and gate after export, each with a verdict that
ends the run.
"""

from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl.base_component import BaseComponent

from ostinato.backend.spec import BackendSpec
from ostinato.lock import GIT_SHA
from ostinato_components.evaluate.component import evaluate
from ostinato_components.export.component import export
from ostinato_components.gate.component import gate
from ostinato_components.infer_schema.component import infer_schema
from ostinato_components.preprocess.component import (
    preprocess,
    preprocess_analyze,
    preprocess_collect,
    preprocess_encode,
    preprocess_merge,
    preprocess_plan,
)
from ostinato_components.resolve.component import resolve
from ostinato_components.train.component import train
from ostinato_components.train_nodes.component import train_nodes
from ostinato_components.validate_data.component import validate_data
from ostinato_components.verdict.component import verdict


def make_pipeline(
    name: str,
    description: str,
    default_config: str = "",
    *,
    backend: BackendSpec | None = None,
    nodes_image: str = "",
    contract: str | None = None,
    has_gate: bool = False,
    git_sha: str = "",
) -> BaseComponent:
    """The pipeline.

    Args:
        name: its name.
        description: what the run page says of it.
        default_config: what the run form shows as the config.
        backend: the section of the config, which decides on the steps; None where the config is not known yet.
        nodes_image: image of the nodes that train, where the backend has several.
        contract: of the data, as JSON; empty where the step reads it, None where the data are not validated.
        has_gate: whether the new model is compared with the one in use.
        git_sha: the commit that the lock record of the model names; empty for none.
    """
    backend = backend or BackendSpec()
    shards, many_nodes = backend.preprocessing.shards, backend.trainer.num_nodes > 1
    guards = " ".join(["data_contract"] * (contract is not None) + ["gate"] * has_gate)

    @dsl.pipeline(name=name, description=description)
    def pipeline(
        dataset: str = "",
        config: str = default_config,
        overrides: str = "{}",
        seed: int = 42,
        cpu: str = "4",
        memory: str = "8Gi",
        accelerator_type: str = "nvidia.com/gpu",
        accelerator_count: str = "0",
    ) -> None:
        """The whole DAG.

        Args:
            dataset: URI of the data: a file, folder or pattern; s3://, gs://, minio://, http(s)://.
            config: The config, as YAML or JSON.
            overrides: Fields of the config to replace, as a JSON object of dotted paths: {"trainer.epochs": 5}.
            seed: Seed of the split and of training; the same seed, data and config give the same model.
            cpu: CPUs of the training step, or of each node that trains, e.g. 4 or 500m.
            memory: Memory of the training step, or of each node, e.g. 8Gi.
            accelerator_type: Kind of accelerator of the training step, as the cluster names it, e.g. nvidia.com/gpu.
            accelerator_count: Number of accelerators of the training step, or of each node; 0 trains on CPUs.
        """
        resolved = resolve(
            dataset=dataset, config=config, overrides=overrides, seed=seed, many_nodes=many_nodes, guards=guards
        )
        # It reads no more of the data than their digest, and what follows is keyed on what it finds.
        resolved.set_caching_options(False)
        digest, fingerprint = resolved.outputs["digest"], resolved.outputs["fingerprint"]

        inferred = infer_schema(dataset=dataset, config=resolved.outputs["data_config"], digest=digest)
        ready = inferred
        if contract is not None:
            ready = accepted(inferred.outputs["statistics"], resolved.outputs["data_contract"], contract)
        what = {
            "dataset": dataset,
            "config": resolved.outputs["data_config"],
            "storage": resolved.outputs["storage"],
            "seed": seed,
            "digest": digest,
        }
        # The profile is there, and the data were read once and accepted, before they are encoded.
        if shards:
            data = preprocess_by_tasks(preprocess_plan(shards=shards, **what).after(ready))
        else:
            data = preprocess(**what).after(ready).outputs["data"]

        training = {"data": data, "config": resolved.outputs["config"], "seed": seed, "digest": digest}
        trained = train_nodes(image=nodes_image, **training) if many_nodes else train(**training)
        # Inputs of the run form, which enter the cache key of this task only.
        trained.set_cpu_limit(cpu).set_memory_limit(memory)
        trained.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)
        if backend.storage:
            # It goes on from its checkpoint; without a storage it would begin anew. KFP does not retry a deleted pod.
            trained.set_retry(1, backoff_duration="60s")
        if git_sha:
            # By way of the pod: an input or a variable of the container is a part of KFP's cache key.
            kubernetes.add_pod_annotation(trained, "ostinato/git-sha", git_sha)
            kubernetes.use_field_path_as_env(trained, GIT_SHA, "metadata.annotations['ostinato/git-sha']")
        model = trained.outputs["model"]

        evaluated = evaluate(model=model, data=data, fingerprint=fingerprint)
        # A bundle is made of a model that could be evaluated.
        exported = export(model=model, data=data, fingerprint=fingerprint).after(evaluated)
        if has_gate:
            judged = gate(dataset=dataset, bundle=exported.outputs["bundle"], config=resolved.outputs["gate"])
            # The champion is no input that a cache key could name.
            judged.set_caching_options(False)
            verdict(refusal=judged.outputs["refusal"]).set_display_name("verdict-on-model")

    return pipeline


def accepted(statistics: Any, config: Any, contract: str) -> Any:
    """The task after which the data are known to be as their contract says."""
    validated = validate_data(statistics=statistics, config=config, contract=contract)
    validated.set_caching_options(False)  # where the contract lies at a URI, its content is in no cache key
    return verdict(refusal=validated.outputs["refusal"]).set_display_name("verdict-on-data")


def preprocess_by_tasks(planned: Any) -> Any:
    """The data folder that comes of a plan: analyze each part -> merge -> encode each share -> collect."""
    with dsl.ParallelFor(planned.output, name="analyze") as part:
        analyzed = preprocess_analyze(part=part)
    merged = preprocess_merge(parts=dsl.Collected(analyzed.output))
    with dsl.ParallelFor(planned.output, name="encode") as part:
        encoded = preprocess_encode(part=part, merged=merged.output)
    return preprocess_collect(parts=dsl.Collected(encoded.output)).outputs["data"]
