"""The DAG: resolve -> infer_schema -> preprocess -> train -> evaluate -> export."""

from typing import Any

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from ostinato_components.evaluate.component import evaluate
from ostinato_components.export.component import export
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


def make_pipeline(name: str, description: str, default_config: str = "", shards: int = 0) -> BaseComponent:
    """The pipeline.

    Args:
        name: its name.
        description: what it does.
        default_config: what the run form shows as the config.
        shards: tasks that share the preprocessing; 0 for one step that does it all.
    """

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
            cpu: CPUs of the training step, e.g. 4 or 500m.
            memory: Memory of the training step, e.g. 8Gi.
            accelerator_type: Kind of accelerator of the training step, as the cluster names it, e.g. nvidia.com/gpu.
            accelerator_count: Number of accelerators of the training step; 0 trains on CPUs.
        """
        resolved = resolve(dataset=dataset, config=config, overrides=overrides, seed=seed)
        # It reads no more of the data than their digest, and what follows is keyed on what it finds.
        resolved.set_caching_options(False)
        digest, fingerprint = resolved.outputs["digest"], resolved.outputs["fingerprint"]

        inferred = infer_schema(dataset=dataset, config=resolved.outputs["data_config"], digest=digest)
        what = {
            "dataset": dataset,
            "config": resolved.outputs["data_config"],
            "storage": resolved.outputs["storage"],
            "seed": seed,
            "digest": digest,
        }
        # The profile is there, and the data were read once without error, before they are encoded.
        if shards:
            data = preprocess_by_tasks(preprocess_plan(shards=shards, **what).after(inferred))
        else:
            data = preprocess(**what).after(inferred).outputs["data"]

        trained = train(data=data, config=resolved.outputs["config"], seed=seed, digest=digest)
        # Inputs of the run form, which enter the cache key of this task only.
        trained.set_cpu_limit(cpu).set_memory_limit(memory)
        trained.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)
        model = trained.outputs["model"]

        evaluated = evaluate(model=model, data=data, fingerprint=fingerprint)
        # A bundle is made of a model that could be evaluated.
        export(model=model, data=data, fingerprint=fingerprint).after(evaluated)

    return pipeline


def preprocess_by_tasks(planned: Any) -> Any:
    """The data folder that comes of a plan: analyze each part -> merge -> encode each share -> collect."""
    with dsl.ParallelFor(planned.output, name="analyze") as part:
        analyzed = preprocess_analyze(part=part)
    merged = preprocess_merge(parts=dsl.Collected(analyzed.output))
    with dsl.ParallelFor(planned.output, name="encode") as part:
        encoded = preprocess_encode(part=part, merged=merged.output)
    return preprocess_collect(parts=dsl.Collected(encoded.output)).outputs["data"]
