"""The compiled DAG on this machine: KFP's local runner, each step in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kfp import components, local

from ostinato.errors import ConfigError, Interrupted, OstinatoError, Problem
from ostinato.load import load_config
from ostinato.lock import IMAGE
from ostinato.storage import write_bytes_atomic
from ostinato_components.task import ERROR_FILE, ERRORS, reported
from ostinato_components.train.step import CHECKPOINTS, RESUME
from ostinato_pipelines.compile import pipeline_name, pipeline_text
from ostinato_pipelines.local_containers import ContainerOptions, Containers, containers_of, open_to
from ostinato_pipelines.local_runner import Observer, as_we_need_it

STORE = ".ostinato"
"""Folder, below the working directory, of the artifacts and the cache: delete it at will."""
RESULTS: dict[tuple[str, str], str] = {
    ("infer_schema", "profile"): "profile.html",
    ("infer_schema", "schema"): "schema.json",
    ("infer_schema", "statistics"): "statistics.json",
    ("validate_data", "report"): "data_validation.html",
    ("validate_data", "findings"): "data_validation.json",
    ("validate_data", "proposal"): "contract.yaml",
    ("train", "learning_curves"): "learning_curves.html",
    ("train", "model"): "model",
    ("evaluate", "report"): "report.html",
    ("evaluate", "statistics"): "test_statistics.json",
    ("evaluate", "predictions"): "predictions.parquet",
    ("export", "bundle"): "bundle",
    ("gate", "report"): "gate.html",
    ("gate", "decision"): "gate.json",
}
"""(step, artifact) -> name in the output directory."""
VERDICTS = ("validate_data", "gate")
"""Steps after which a run may end with a refusal; then there are results as well."""
RUN_FILE = "run.json"


@dataclass(frozen=True)
class StepRun:
    """One step of a run."""

    name: str
    seconds: float
    cached: bool
    artifacts: dict[str, str] = field(default_factory=dict)
    """Where the artifacts lie, by name."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Figures that the step logged for the run page."""


@dataclass(frozen=True)
class LocalRun:
    """What a run of the DAG gave."""

    output_directory: str
    steps: tuple[StepRun, ...]
    seconds: float
    error: OstinatoError | None = None
    """What ended it before its end."""

    @property
    def is_refused(self) -> bool:
        """Whether data or model were refused: the last step that went well said so, but for the message of the end."""
        names = [step.name for step in self.steps if step.name != "notify"]
        return self.error is not None and bool(names) and names[-1] in VERDICTS

    @property
    def results(self) -> dict[str, str]:
        """Paths of the results in the output directory, by name: report.html, profile.html, model, bundle, …"""
        made = {step.name for step in self.steps}
        return {name: str(Path(self.output_directory) / name) for (step, _), name in RESULTS.items() if step in made}

    def step(self, name: str) -> StepRun:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def metrics(self) -> dict[str, float]:
        """`feature.metric` on the test rows; none where the run was refused before."""
        return next((step.metrics for step in self.steps if step.name == "evaluate"), {})

    def summary(self) -> str:
        """The run in a few lines: steps, metrics, and where to look."""
        lines = [""]
        for metric, value in self.metrics.items():
            lines.append(f"  {metric:<44} {value:>10.4f}")
        lines += [
            "",
            f"  {len(self.steps)} steps, {sum(step.cached for step in self.steps)} cached, {self.seconds:.1f} s",
        ]
        shown = ("report.html", "profile.html", "data_validation.html", "gate.html", "model", "bundle")
        lines += [f"  {name:<13} {self.results[name]}" for name in shown if name in self.results]
        return "\n".join(lines)


def run_local(
    document: Mapping[str, Any],
    dataset: str | os.PathLike[str],
    *,
    output_directory: str | os.PathLike[str] = "results/pipeline",
    seed: int = 42,
    overrides: Mapping[str, object] | None = None,
    caching: bool = True,
    resume: bool = False,
    store: str | os.PathLike[str] = STORE,
    containers: ContainerOptions | None = None,
) -> LocalRun:
    """Compiles the config and runs the pipeline here, each step in a process of its own; steps are cached by content.

    Args:
        document: the config.
        dataset: URI of the data.
        output_directory: gets copies of the results; one that holds anything but an earlier run is refused.
        seed: seed of the split and of training.
        overrides: dotted paths of the config and their values.
        caching: False runs every step.
        resume: goes on from the checkpoint of an interrupted training of the same config, data and seed, if there is
            one.
        store: folder of the artifacts and the cache.
        containers: runs each step in a container of Docker; None for a process of this machine.

    Raises:
        OstinatoError: a step failed; of the step's class, with its problems and its exit code.
    """
    target = Path(output_directory)
    check_target(target)
    document, overrides = on_one_machine(document, overrides or {})
    arguments = {
        "dataset": absolute(dataset),
        "overrides": json.dumps(dict(overrides)),
        "seed": seed,
    }
    start = time.perf_counter()
    images = containers or ContainerOptions()
    text = pipeline_text(
        document,
        name=pipeline_name(target.name),
        image_data=images.image_data or None,
        image_train=images.image_train or None,
    )
    folder = Path(store).absolute()
    engine = None if containers is None else _engine(containers, document, overrides, str(arguments["dataset"]), folder)
    steps: list[StepRun] = []
    try:
        execute(text, arguments, folder, caching=caching, resume=resume, steps=steps, containers=engine)
    except OstinatoError as error:
        ended = LocalRun(str(target), tuple(steps), time.perf_counter() - start, error)
        if ended.is_refused:  # and the reports say why
            hand_out(ended)
        else:
            write_record(ended)
        raise
    run = LocalRun(str(target), tuple(steps), time.perf_counter() - start)
    hand_out(run)
    return run


def on_one_machine(
    document: Mapping[str, Any], overrides: Mapping[str, object]
) -> tuple[Mapping[str, Any], Mapping[str, object]]:
    """The same with one node, where more are asked for: there is no cluster here, and anyone may try a config."""
    loaded = load_config(document, overrides=overrides)
    num_nodes = loaded.config.backend.trainer.num_nodes
    if num_nodes == 1:
        return document, overrides
    print(
        f"warning: backend.trainer.num_nodes is {num_nodes}; this machine trains alone. "
        "`ostinato compile` makes the pipeline for several.",
        file=sys.stderr,
    )
    one = {"backend.trainer.num_nodes": 1}
    return load_config(loaded.document, overrides=one).document, {**overrides, **one}


def _engine(
    options: ContainerOptions,
    document: Mapping[str, Any],
    overrides: Mapping[str, object],
    dataset: str,
    store: Path,
) -> Containers:
    """The containers that steps of this config run in: they see the data, and write where the config says."""
    config = load_config(document, overrides=overrides).config
    champion = config.gate.champion if config.gate is not None else None
    return containers_of(
        options,
        store,
        reads=[dataset],
        writes=[config.backend.storage or "", champion or ""],
        shm_size=config.backend.kubernetes.shm_size or "",
        talks=config.registry is not None or config.notify is not None,
    )


def absolute(dataset: str | os.PathLike[str]) -> str:
    """A local path from the root, so that a step may work anywhere; a URI as it is."""
    text = os.fspath(dataset)
    return text if "://" in text else os.path.abspath(text)


def execute(
    text: str,
    arguments: Mapping[str, Any],
    store: Path,
    *,
    caching: bool,
    resume: bool = False,
    steps: list[StepRun] | None = None,
    containers: Containers | None = None,
) -> list[StepRun]:
    """Runs a compiled pipeline; its artifacts, and checkpoints of training, go below `store`.

    Each step that ends well is added to `steps`, also where a later one fails.
    """
    steps = [] if steps is None else steps
    try:
        store.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.mkdtemp(prefix="run-", dir=store)
    except OSError as error:
        raise OstinatoError(Problem(str(store), f"can't be written: {error.strerror}")) from error
    error_file = str(Path(scratch) / "error.json")
    try:
        local.init(
            local.SubprocessRunner(use_venv=False) if containers is None else local.DockerRunner(),
            pipeline_root=str(store / "artifacts"),
            workspace_root=str(Path(scratch) / "workspace"),
            raise_on_error=False,
            enable_caching=caching,
            cache_root=str(store / "cache"),
        )
        pipeline = components.load_component_from_text(text)
        progress = Progress(sys.stderr, count_steps(pipeline.pipeline_spec), steps)
        environment = {
            ERROR_FILE: error_file,
            CHECKPOINTS: str(store / "checkpoints"),
            RESUME: str(int(resume)),
        }
        if containers is None:
            environment[IMAGE] = ""  # the steps name one, and none is used here
        else:
            open_to(Path(scratch), containers.user)
            containers.check_images(images_of(pipeline.pipeline_spec))
        with as_we_need_it(progress, environment, containers):
            try:
                pipeline(**arguments)
            except KeyboardInterrupt as error:
                # What the step says of it is worth more than that it was interrupted: how to go on.
                raise reported(error_file) or error from error
        if progress.failed:
            raise reported(error_file) or crash(*progress.failed)
        return steps
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def images_of(spec: Any) -> list[str]:
    """Images of a pipeline's steps."""
    executors = spec.deployment_spec["executors"].values()
    return [str(executor["container"]["image"]) for executor in executors if "container" in executor]


def count_steps(spec: Any) -> int:
    """Steps of a pipeline; what a loop does many times counts as one."""

    def count(dag: Any) -> int:
        inner = (spec.components[task.component_ref.name] for task in dag.tasks.values())
        return sum(count(component.dag) if component.HasField("dag") else 1 for component in inner)

    return count(spec.root.dag)


def crash(step: str, return_code: int) -> OstinatoError:
    """The error of a step that ended without saying why."""
    signal = -return_code if return_code < 0 else return_code - 128 if return_code > 128 else 0
    message = f"was killed by signal {signal}" if signal else f"failed with exit code {return_code}"
    hint = "the memory may have run out" if signal == 9 else "what it wrote is above"
    return ERRORS.get(return_code, OstinatoError)(Problem(f"step {step}", message, hint=hint))


class Progress(Observer):
    """Writes what happens, and remembers it."""

    def __init__(self, stream: TextIO, count: int, steps: list[StepRun]) -> None:
        self.stream = stream
        self.count = count
        self.numbers: dict[str, int] = {}
        self.steps = steps
        self.failed: tuple[str, int] | None = None

    def started(self, step: str) -> None:
        """The step is next."""
        number = self.numbers.setdefault(step, len(self.numbers) + 1)
        self._write(f"[{number}/{self.count}] {step.replace('-', '_')}")

    def printed(self, line: str) -> None:
        """The running step wrote a line."""
        self._write(f"      {line}")

    def ended(self, step: str, seconds: float, outputs: Mapping[str, Any], return_code: int | None) -> None:
        """The step is done; `return_code` is None where its outputs came from the cache."""
        name = step.replace("-", "_")
        if return_code:
            self.failed = self.failed or (name, return_code)
            self._write(f"      failed after {seconds:.1f} s")
            return
        self._write("      cached" if return_code is None else f"      {seconds:.1f} s")
        artifacts = {key: output for key, output in outputs.items() if hasattr(output, "uri")}
        metrics = artifacts["metrics"].metadata if "metrics" in artifacts else {}
        paths = {key: str(artifact.uri) for key, artifact in artifacts.items() if Path(artifact.uri).exists()}
        self.steps.append(StepRun(name, seconds, return_code is None, paths, dict(sorted(metrics.items()))))

    def _write(self, line: str) -> None:
        # At once: tasks of a loop write side by side, and `print` writes the end of a line by itself.
        self.stream.write(f"{line}\n")
        self.stream.flush()


def check_target(target: Path) -> None:
    """Before an hour of training: whether the results can go there.

    Raises:
        ConfigError: the folder holds anything but an earlier run, which is written over, or can't be written.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not (target / RUN_FILE).exists()):
        message = "exists and holds no earlier run of a pipeline"
        raise ConfigError(Problem(str(target), message, hint="name another --output_directory"))
    nearest = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(Problem(str(target), f"can't be written: {nearest} is no folder that you may write to"))


def hand_out(run: LocalRun) -> None:
    """Copies the results into the output directory, each whole or not at all.

    Copies, not links: who edits a result must not change what the cache holds.
    """
    target = Path(run.output_directory)
    try:
        target.mkdir(parents=True, exist_ok=True)
        made = {step.name: step for step in run.steps}
        for (step, artifact), name in RESULTS.items():
            if step in made:
                copy(Path(made[step].artifacts[artifact]), target / name)
            else:  # of an earlier run
                remove(target / name)
    except OSError as error:
        place = str(error.filename or target)
        raise OstinatoError(Problem(place, f"can't be written: {error.strerror}")) from error
    write_record(run)


def write_record(run: LocalRun) -> None:
    """Writes what the run came to; of one that failed without a report, the results of the run before it stay.

    Raises:
        OstinatoError: it can't be written.
    """
    state = "succeeded"
    if run.error is not None:
        state = "refused" if run.is_refused else "interrupted" if isinstance(run.error, Interrupted) else "failed"
    record = {
        "state": state,
        "exit_code": run.error.exit_code if run.error else 0,
        "problems": [str(problem) for problem in run.error.problems] if run.error else [],
        "seconds": round(run.seconds, 3),
        "steps": [{"name": s.name, "seconds": round(s.seconds, 3), "cached": s.cached} for s in run.steps],
        "metrics": run.metrics,
        "artifacts": {step.name: step.artifacts for step in run.steps},
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    try:
        write_bytes_atomic(str(Path(run.output_directory) / RUN_FILE), text.encode())
    except OSError as error:
        raise OstinatoError(Problem(run.output_directory, f"can't be written: {error.strerror}")) from error


def copy(source: Path, target: Path) -> None:
    """A copy of a file or folder in the place of what was there."""
    temporary = target.with_name(f".{target.name}.tmp")
    remove(temporary)
    if source.is_dir():
        shutil.copytree(source, temporary)
    else:
        shutil.copyfile(source, temporary)
    remove(target)
    temporary.replace(target)


def remove(path: Path) -> None:
    """Removes a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
