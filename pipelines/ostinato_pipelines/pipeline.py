"""The DAG: resolve -> infer_schema -> preprocess -> train (or train_nodes) -> evaluate -> export.

Where the config asks for it, validate_data stands before preprocess and gate after export, each with a verdict that
ends the run; register is the last step of a run that goes well, and notify follows on any.
"""

import contextlib
from typing import Any, Dict, List  # noqa: UP035 (KFP knows these by name)

from kfp import dsl, kubernetes
from kfp.dsl import pipeline_context
from kfp.dsl.base_component import BaseComponent

from ostinato.backend.spec import BackendSpec
from ostinato.load import canonical_json
from ostinato.lock import GIT_SHA
from ostinato.model_registry.spec import KUBEFLOW_KEYS, MLFLOW_KEYS, RegistrySpec
from ostinato.notify.spec import SMTP_PASSWORD, SMTP_USERNAME, WEBHOOK_URL, NotifySpec
from ostinato_components.evaluate.component import evaluate
from ostinato_components.export.component import export
from ostinato_components.gate.component import gate
from ostinato_components.infer_schema.component import infer_schema
from ostinato_components.notify.component import notify
from ostinato_components.preprocess.component import (
    preprocess,
    preprocess_analyze,
    preprocess_collect,
    preprocess_encode,
    preprocess_merge,
    preprocess_plan,
)
from ostinato_components.register.component import register
from ostinato_components.resolve.component import resolve
from ostinato_components.train.component import train
from ostinato_components.train_nodes.component import train_nodes
from ostinato_components.validate_data.component import validate_data
from ostinato_components.verdict.component import verdict
from ostinato_pipelines.pods import S3_SECRET, run_config, settle, with_resources


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
    registry: RegistrySpec | None = None,
    notification: NotifySpec | None = None,
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
        registry: where the model is entered; None for nowhere.
        notification: who is told how a run ended; None for nobody.
    """
    backend = backend or BackendSpec()
    shards, many_nodes = backend.preprocessing.shards, backend.trainer.num_nodes > 1
    pods = backend.kubernetes
    guards = " ".join(["data_contract"] * (contract is not None) + ["gate"] * has_gate)

    @dsl.pipeline(name=name, description=description, pipeline_config=run_config(pods))
    def pipeline(
        dataset: str = "",
        config: str = default_config,
        overrides: str = "{}",
        seed: int = 42,
        storage: str = "",
        s3_secret: str = S3_SECRET,
        require_onnx: bool = False,
        preprocess_cpu: str = "2",
        preprocess_memory: str = "4Gi",
        preprocess_node_selector: Dict[str, str] = {},  # noqa: UP006
        preprocess_tolerations: List[Dict[str, str]] = [],  # noqa: UP006
        train_cpu: str = "4",
        train_memory: str = "8Gi",
        train_accelerator_type: str = "nvidia.com/gpu",
        train_accelerator_count: str = "0",
        train_node_selector: Dict[str, str] = {},  # noqa: UP006
        train_tolerations: List[Dict[str, str]] = [],  # noqa: UP006
    ) -> None:
        """The whole DAG.

        Args:
            dataset: Data: URI of a file, folder or pattern; s3://, gs://, minio://, http(s)://.
            config: Config: its text, YAML or JSON.
            overrides: Config: fields to replace, as a JSON object of dotted paths: {"trainer.epochs": 5}.
            seed: Config: seed of the split and of training; the same seed, data and config give the same model.
            storage: Storage: URI of a folder for checkpoints and encoded rows; empty for backend.storage of the config.
            s3_secret: Storage: name of the Secret whose keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if need be,
                AWS_ENDPOINT_URL_S3 become variables of every step. There need be no such Secret, but a name there must
                be.
            require_onnx: Export: whether a network that can't be said in ONNX is an error; else its bundle needs torch.
            preprocess_cpu: Preprocessing: CPUs of each task, e.g. 2 or 500m.
            preprocess_memory: Preprocessing: memory of each task, e.g. 4Gi.
            preprocess_node_selector: Preprocessing: labels that its machines must have, e.g. {"pool": "batch"}.
            preprocess_tolerations: Preprocessing: taints that its machines may have, as a list of tolerations of
                Kubernetes.
            train_cpu: Training: CPUs, of each node where there are several, e.g. 4 or 500m.
            train_memory: Training: memory, of each node where there are several, e.g. 8Gi.
            train_accelerator_type: Training: kind of accelerator, as the cluster names it, e.g. nvidia.com/gpu.
            train_accelerator_count: Training: number of accelerators, of each node where there are several; 0 trains on
                CPUs.
            train_node_selector: Training: labels that its machines must have, e.g. {"gpu": "h100"}.
            train_tolerations: Training: taints that its machines may have, e.g. [{"key": "nvidia.com/gpu", "operator":
                "Exists"}].
        """
        with until_the_end(notification, name):
            resolved = resolve(
                dataset=dataset,
                config=config,
                overrides=overrides,
                seed=seed,
                storage=storage,
                many_nodes=many_nodes,
                guards=guards,
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
                data = preprocess_by_tasks(preprocess_plan(shards=shards, **what).after(ready), pods.parallelism)
            else:
                data = preprocess(**what).after(ready).outputs["data"]

            training = {"data": data, "config": resolved.outputs["config"], "seed": seed, "digest": digest}
            if many_nodes:
                trained = train_nodes(image=nodes_image, **training)
            else:
                trained = train(accelerators=train_accelerator_count, **training)
            # As with resources, KFP forgets to tell the group that the task lies in.
            trained.register_pipeline_channels([train_accelerator_type, train_accelerator_count])
            trained.set_accelerator_type(train_accelerator_type).set_accelerator_limit(train_accelerator_count)
            if backend.storage:
                # It goes on from its checkpoint; without a storage it would begin anew. A deleted pod is not retried.
                trained.set_retry(1, backoff_duration="60s")
            if git_sha:
                # By way of the pod: an input or a variable of the container is a part of KFP's cache key.
                kubernetes.add_pod_annotation(trained, "ostinato/git-sha", git_sha)
                kubernetes.use_field_path_as_env(trained, GIT_SHA, "metadata.annotations['ostinato/git-sha']")
            model = trained.outputs["model"]

            evaluated = evaluate(model=model, data=data, fingerprint=fingerprint)
            # A bundle is made of a model that could be evaluated.
            exported = export(model=model, data=data, fingerprint=fingerprint, require_onnx=require_onnx).after(
                evaluated
            )
            accepted_model = exported
            if has_gate:
                judged = gate(dataset=dataset, bundle=exported.outputs["bundle"], config=resolved.outputs["gate"])
                # The champion is no input that a cache key could name.
                judged.set_caching_options(False)
                refusal = judged.outputs["refusal"]
                accepted_model = verdict(refusal=refusal).set_display_name("verdict-on-model")
            if registry is not None:
                enter(registry, exported.outputs["bundle"], evaluated.outputs["metrics"]).after(accepted_model)

        tasks = pipeline_context.Pipeline.get_default_pipeline().tasks.values()
        # Inputs of the run form enter the cache keys of the tasks that they are for.
        with_resources(
            tasks,
            "preprocess",
            cpu=preprocess_cpu,
            memory=preprocess_memory,
            node_selector=preprocess_node_selector,
            tolerations=preprocess_tolerations,
        )
        with_resources(
            tasks,
            "train",
            cpu=train_cpu,
            memory=train_memory,
            node_selector=train_node_selector,
            tolerations=train_tolerations,
        )
        settle(tasks, pods, s3_secret)

    return pipeline


def until_the_end(notification: NotifySpec | None, name: str) -> contextlib.AbstractContextManager[Any]:
    """The tasks within are followed by one that tells how they ended, where somebody wants to know."""
    if notification is None:
        return contextlib.nullcontext()
    section = canonical_json(notification.model_dump(mode="json"))
    told = notify(section=section, pipeline=name, run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    told.set_caching_options(False)
    keys = {key: key for key in notification_keys(notification)}
    kubernetes.use_secret_as_env(told, notification.secret, keys, optional=True)
    handler: contextlib.AbstractContextManager[Any] = dsl.ExitHandler(told, name="run")
    return handler


def enter(registry: RegistrySpec, bundle: Any, metrics: Any) -> Any:
    """The task that enters the model into the registry."""
    section = canonical_json(registry.model_dump(mode="json"))
    entered = register(section=section, bundle=bundle, metrics=metrics, run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    entered.set_caching_options(False)  # what the registry holds is in no cache key
    keys = MLFLOW_KEYS if registry.type == "mlflow" else KUBEFLOW_KEYS
    kubernetes.use_secret_as_env(entered, registry.secret, {key: key for key in keys}, optional=True)
    return entered


def notification_keys(notification: NotifySpec) -> list[str]:
    """Keys of the Secret that are needed."""
    return [WEBHOOK_URL] * notification.webhook + [SMTP_USERNAME, SMTP_PASSWORD] * (notification.email is not None)


def accepted(statistics: Any, config: Any, contract: str) -> Any:
    """The task after which the data are known to be as their contract says."""
    validated = validate_data(statistics=statistics, config=config, contract=contract)
    validated.set_caching_options(False)  # where the contract lies at a URI, its content is in no cache key
    return verdict(refusal=validated.outputs["refusal"]).set_display_name("verdict-on-data")


def preprocess_by_tasks(planned: Any, parallelism: int | None = None) -> Any:
    """The data folder that comes of a plan: analyze each part -> merge -> encode each share -> collect."""
    with dsl.ParallelFor(planned.output, name="analyze", parallelism=parallelism) as part:
        analyzed = preprocess_analyze(part=part)
    merged = preprocess_merge(parts=dsl.Collected(analyzed.output))
    with dsl.ParallelFor(planned.output, name="encode", parallelism=parallelism) as part:
        encoded = preprocess_encode(part=part, merged=merged.output)
    return preprocess_collect(parts=dsl.Collected(encoded.output)).outputs["data"]
