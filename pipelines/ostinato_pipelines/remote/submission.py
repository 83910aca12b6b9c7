"""A package becomes a version of a pipeline, and a version a run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_server_api import (
    ApiException,
    V2beta1Pipeline,
    V2beta1PipelineVersionReference,
    V2beta1Run,
    V2beta1RuntimeConfig,
)

from ostinato.errors import ConfigError, Problem
from ostinato_pipelines.remote.connection import CONFLICT, Connection, silently

COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA")
"""Where GitHub Actions and GitLab CI name the commit."""


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on the backend."""

    pipeline_id: str
    version_id: str
    name: str
    is_new: bool
    """Whether it was uploaded now; else it was there, with this content."""


@dataclass(frozen=True)
class Submission:
    """A run that was started."""

    run_id: str
    run_name: str
    link: str
    version: Version


def commit(folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The git commit that is checked out, of 40 hex digits; empty where there is none to be found."""
    for variable in COMMIT_VARIABLES:
        if environment.get(variable):
            return environment[variable]
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 (the git of whoever calls)
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def digest(package: str) -> str:
    """What names the content of a package: 12 hex digits."""
    return hashlib.sha256(package.encode()).hexdigest()[:12]


def version_name(package: str, git_sha: str) -> str:
    """Commit and content: the same commit with another config is another version."""
    return "-".join([git_sha[:12], digest(package)] if git_sha else [digest(package)])


def upload(connection: Connection, package: str, pipeline: str, version: str) -> Version:
    """The package as a version of the pipeline, which is made where there is none. Done twice, it is done once.

    Args:
        connection: the backend.
        package: the compiled package.
        pipeline: name of the pipeline.
        version: name of the version.

    Raises:
        ConfigError: a version of that name has another content.
        OstinatoError: the backend refuses.
    """
    pipeline_id = _pipeline(connection, pipeline)
    mark = f"sha256:{hashlib.sha256(package.encode()).hexdigest()}"
    found = _version(connection, pipeline_id, version)
    is_new = found is None
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pipeline.yaml"
            file.write_text(package, encoding="utf-8")
            send = connection.backend._upload_api.upload_pipeline_version
            _make(connection, lambda: send(str(file), name=version, pipelineid=pipeline_id, description=mark))
        found = _version(connection, pipeline_id, version)
        if found is None:
            raise ConfigError(Problem(connection.where, f"took the version '{version}', but does not list it"))
    if (found.description or mark) != mark:
        where = f"version '{version}' of the pipeline '{pipeline}'"
        raise ConfigError(Problem(where, "is there with another content", hint="name another --version"))
    return Version(pipeline_id, str(found.pipeline_version_id), version, is_new)


def start(
    connection: Connection,
    version: Version,
    values: Mapping[str, Any],
    *,
    experiment: str,
    name: str,
    description: str = "",
    service_account: str = "",
    pipeline_root: str = "",
) -> Submission:
    """Starts a run of a version.

    Args:
        connection: the backend.
        version: what `upload` gave.
        values: inputs of the run form, of the types of the package; the rest has its default.
        experiment: name of the experiment, which is made where there is none.
        name: name of the run.
        description: text of the run's page. Kubeflow Pipelines knows no labels of runs.
        service_account: that of the pods; empty for the default one.
        pipeline_root: URI below which artifacts go; empty for that of the backend.

    Raises:
        OstinatoError: the backend refuses.
    """
    run = V2beta1Run(
        experiment_id=connection.experiment(experiment),
        display_name=name,
        description=description or None,
        pipeline_version_reference=V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
        ),
        runtime_config=V2beta1RuntimeConfig(parameters=dict(values), pipeline_root=pipeline_root or None),
        service_account=service_account or None,
    )
    started = connection.once(lambda: connection.backend._run_api.run_service_create_run(run=run))
    run_id = str(started.run_id)
    return Submission(run_id, name, connection.link(run_id), version)


def _pipeline(connection: Connection, name: str) -> str:
    """Id of the pipeline of that name."""

    def find() -> str | None:
        found: str | None = connection.repeated(lambda: connection.backend.get_pipeline_id(name))
        return found

    there = find()
    if there is None:
        new = V2beta1Pipeline(display_name=name, name=name, namespace=connection.namespace or None)
        create = connection.backend._pipelines_api.pipeline_service_create_pipeline
        _make(connection, lambda: create(pipeline=new))
        there = find()
    if there is None:
        raise ConfigError(Problem(connection.where, f"took the pipeline '{name}', but does not list it"))
    return there


def _version(connection: Connection, pipeline_id: str, name: str) -> Any | None:
    """The version of that name; None where there is none."""
    named = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})
    listed = connection.repeated(
        lambda: silently(lambda: connection.backend.list_pipeline_versions(pipeline_id, filter=named))
    )
    return next((each for each in listed.pipeline_versions or [] if name in (each.display_name, each.name)), None)


def _make(connection: Connection, request: Callable[[], Any]) -> None:
    """Makes something by name: what another one made at the same time, or an answer that got lost, is there."""

    def unless_there() -> None:
        try:
            silently(request)
        except ApiException as error:
            if error.status != CONFLICT:
                raise

    connection.repeated(unless_there)
