"""How the pods of the DAG's tasks are made: what the run form says, and what the section `backend.kubernetes` says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kfp import dsl, kubernetes

from ostinato.backend.kubernetes.spec import KubernetesSpec
from ostinato.errors import ConfigError, Problem, did_you_mean, listing

S3_SECRET = "ostinato-s3"  # noqa: S105  # its name
SHARED_MEMORY = "/dev/shm"  # noqa: S108


def step_of(task: Any) -> str:
    """The step that a task belongs to: preprocess-analyze -> preprocess."""
    name = str(task.name)
    return next((step for step in ("preprocess", "train") if name.startswith(step)), name.replace("-", "_"))


def run_config(spec: KubernetesSpec) -> dsl.PipelineConfig:
    """What holds for the run as a whole."""
    return dsl.PipelineConfig(ttl_seconds_after_finished=spec.ttl_s, active_deadline_seconds=spec.run_timeout_s)


def with_resources(
    tasks: Iterable[Any], step: str, *, cpu: Any, memory: Any, node_selector: Any, tolerations: Any
) -> None:
    """What the run form says of a step, for all its tasks."""
    for task in tasks:
        if step_of(task) == step:
            # A loop hands its tasks what it knows of, and KFP forgets to tell it of resources.
            task.register_pipeline_channels([cpu, memory])
            task.set_cpu_limit(cpu).set_memory_limit(memory)
            kubernetes.add_node_selector_json(task, node_selector)
            kubernetes.add_toleration_json(task, tolerations)


def settle(tasks: Iterable[Any], spec: KubernetesSpec, s3_secret: Any) -> None:
    """Gives every task the keys of the storage, by the name of their Secret, and what the section says of it.

    Raises:
        ConfigError: the section names a step that is not in the pipeline.
    """
    tasks = list(tasks)
    check_steps(spec, {step_of(task) for task in tasks})
    for task in tasks:
        if spec.s3_secret_keys:
            # A Secret that is not there is no error of Kubernetes': the steps may have their rights from elsewhere.
            kubernetes.use_secret_as_env(task, s3_secret, spec.s3_secret_keys, optional=True)
        for name, value in spec.environment.items():
            task.set_env_variable(name, value)
        if spec.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(spec.image_pull_secrets))
        if spec.image_pull_policy:
            kubernetes.set_image_pull_policy(task, spec.image_pull_policy)
        for key, value in spec.labels.items():
            kubernetes.add_pod_label(task, key, value)
        for key, value in spec.annotations.items():
            kubernetes.add_pod_annotation(task, key, value)
        for volume in spec.volumes:
            kubernetes.mount_pvc(task, volume.claim, volume.mount_path, volume.sub_path)
        _choose_machines(task, spec)
        step = step_of(task)
        if step in spec.timeout_s:
            kubernetes.set_timeout(task, spec.timeout_s[step])
        if step in spec.retries:
            task.set_retry(spec.retries[step], backoff_duration="60s")
        if task.name == "train" and spec.shm_size:
            kubernetes.empty_dir_mount(task, "shm", SHARED_MEMORY, medium="Memory", size_limit=spec.shm_size)


def check_steps(spec: KubernetesSpec, steps: set[str]) -> None:
    """Raises ConfigError where the section names a step that is not there."""
    problems = [
        Problem(f"backend.kubernetes.{key}.{step}", "this pipeline has no such step", listing(sorted(steps)), hint)
        for key in ("retries", "timeout_s")
        for step in getattr(spec, key)
        if step not in steps
        for hint in [did_you_mean(step, steps)]
    ]
    if problems:
        raise ConfigError(problems)


def _choose_machines(task: Any, spec: KubernetesSpec) -> None:
    terms = [
        (term.weight, {"key": term.key, "operator": term.operator, "values": list(term.values)})
        for term in spec.node_affinity
    ]
    # Kubernetes takes a machine that one of several required terms holds for: all of them must be one term.
    if required := [expression for weight, expression in terms if weight is None]:
        kubernetes.add_node_affinity(task, match_expressions=required)
    for weight, expression in terms:
        if weight is not None:
            kubernetes.add_node_affinity(task, match_expressions=[expression], weight=weight)
