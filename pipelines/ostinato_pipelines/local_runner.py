"""What KFP's local runner (kfp 2.17) lacks, put right from outside.

Each replaced function names the reason. They are replaced only while a pipeline runs, by `as_we_need_it`.
"""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from kfp.local import cache, config, logging_utils, status, subprocess_task_handler
from kfp.local.orchestrator import task_executor, task_spec_utils

from ostinato_pipelines.local_containers import Containers
from ostinato_pipelines.local_steps import Running, run_step, terminated_is_interrupted

EXECUTOR_MODULE = "kfp.dsl.executor_main"


class Observer:
    """Hears of each step as it goes."""

    def started(self, step: str) -> None:
        """The step is next."""

    def printed(self, line: str) -> None:
        """The running step wrote a line."""

    def ended(self, step: str, seconds: float, outputs: Mapping[str, Any], return_code: int | None) -> None:
        """The step is done; `return_code` is None where its outputs came from the cache."""


@contextlib.contextmanager
def as_we_need_it(
    observer: Observer, environment: Mapping[str, str], containers: Containers | None = None
) -> Iterator[None]:
    """KFP's local runner, silent, with exit codes, a cache that checks files, and an observer.

    Args:
        observer: hears of each step.
        environment: variables that the steps get besides those of this process, and in place of their own.
        containers: how steps run in containers; None where each is a process here.
    """
    here = threading.local()  # tasks of a loop run in threads
    running = Running()

    def run_local_subprocess(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        # KFP's own tells success from failure only, and prints all that its executor logs.
        here.code = run_step(full_command, {**(env_vars or {}), **environment}, observer.printed, running)
        return int(here.code)

    def run_container(client: Any, image: str, command: list[str], volumes: Any, **arguments: Any) -> int:
        # KFP's own reports containers that fail as success: they are gone before it asks (kubeflow/pipelines#13332).
        assert containers is not None
        own = arguments.get("environment", {})
        here.code = containers.run(image, command, {**own, **environment}, observer.printed, running)
        return int(here.code)

    execute = task_executor.execute_single_task

    def execute_single_task(task_name: str, **arguments: Any) -> Any:
        # KFP's own returns the pipeline's outputs only, and says in its log only what came from the cache.
        if running.ended.is_set() and not tells_of_the_end(arguments["task_spec"]):
            return {}, status.Status.FAILURE  # KFP's own goes on with a loop of which a task has failed
        here.code = None
        observer.started(task_name)
        start = time.perf_counter()
        outputs, result = execute(task_name=task_name, **arguments)
        if result == status.Status.FAILURE:
            running.ended.set()
        observer.ended(task_name, time.perf_counter() - start, outputs, here.code)
        return outputs, result

    create = task_spec_utils.create_parameter_loop_iteration_task_spec

    def create_iteration(original_task_spec: Any, *arguments: Any) -> Any:
        # KFP's own puts the item also in the place of what other tasks hand to the tasks of the loop.
        made = create(original_task_spec, *arguments)
        for name, given in original_task_spec.inputs.parameters.items():
            if given.HasField("task_output_parameter"):
                made.inputs.parameters[name].CopyFrom(given)
        return made

    with contextlib.ExitStack() as stack:
        replace: list[tuple[ModuleType, str, Callable[..., Any]]] = [
            (subprocess_task_handler, "run_local_subprocess", run_local_subprocess),
            (subprocess_task_handler, "replace_python_executable", replace_python),
            (task_executor, "execute_single_task", execute_single_task),
            (task_spec_utils, "create_parameter_loop_iteration_task_spec", create_iteration),
            (cache, "get_local_cache", checked_cache),
            # Each task would replace the handlers of the logger and the function print, and put back what it found;
            # tasks side by side would put back each other's.
            (logging_utils, "local_logger_context", contextlib.nullcontext),
            (logging_utils, "indented_print", contextlib.nullcontext),
        ]
        if containers is not None:
            replace.append((containers.handler, "run_docker_container", run_container))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(logging_utils.local_logger_context())
        for module, name, function in replace:
            stack.enter_context(replaced(module, name, function))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # that resources have no effect here, and that an image is not named python
        stack.enter_context(terminated_is_interrupted(running))
        yield


def tells_of_the_end(task_spec: Any) -> bool:
    """Whether a task is there to tell how the others ended."""
    return any(given.HasField("task_final_status") for given in task_spec.inputs.parameters.values())


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Another function in a module, for a while."""
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)


def replace_python(full_command: list[str], executable: str) -> list[str]:
    """The command with this interpreter in place of `python3`.

    KFP's own replaces the word everywhere, also in a path of the user's data.
    """
    return [part.replace("python3", executable, 1) if EXECUTOR_MODULE in part else part for part in full_command]


class CheckedCache(cache.LocalCache):  # type: ignore[misc]
    """KFP's cache of outputs, and a list of each output's files: one that has lost a file is not used.

    KFP's own looks whether the folder of an artifact is still there, not what is in it.
    """

    def put(self, key: str, outputs: dict[str, Any]) -> None:
        """Remembers the outputs, and before that their files."""
        for artifact in artifacts_of(outputs):
            if not Path(artifact.uri).exists():
                # Metrics are metadata only; KFP's own takes that for a lost file, and never finds the entry again.
                Path(artifact.uri).write_text(json.dumps(artifact.metadata), encoding="utf-8")
        files = {artifact.uri: files_below(artifact.uri) for artifact in artifacts_of(outputs)}
        self._list_path(key).write_text(json.dumps(files), encoding="utf-8")
        super().put(key, outputs)

    def get(self, key: str) -> dict[str, Any] | None:
        """The outputs, or None where there are none or a file of theirs is gone or has another size."""
        outputs = super().get(key)
        if outputs is None or not self._list_path(key).exists():
            return None
        try:
            files = json.loads(self._list_path(key).read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return None
        whole = all(files.get(artifact.uri) == files_below(artifact.uri) for artifact in artifacts_of(outputs))
        return outputs if whole else None

    def _list_path(self, key: str) -> Path:
        return Path(self.cache_root) / f"{key}.files"


def checked_cache() -> CheckedCache | None:
    """In place of `kfp.local.cache.get_local_cache`."""
    settings = config.LocalExecutionConfig.instance
    return CheckedCache(settings.cache_root) if settings and settings.enable_caching else None


def artifacts_of(outputs: dict[str, Any]) -> list[Any]:
    """The artifacts among the outputs of a step."""
    return [output for output in outputs.values() if hasattr(output, "uri")]


def files_below(uri: str) -> dict[str, int]:
    """Bytes of each file of an artifact, by its path in it."""
    root = Path(uri)
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in files}
