"""Commands on Kubeflow Pipelines: submit, wait, report, schedule."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ostinato.errors import ConfigError, Problem
from ostinato_pipelines.commands.config import read_config
from ostinato_pipelines.commands.flags import add_config, add_logging, command


def add_place(parser: argparse.ArgumentParser) -> None:
    """Where Kubeflow Pipelines is, and who we are."""
    parser.add_argument("--host", default="", metavar="URL", help="Kubeflow Pipelines (default: KF_PIPELINES_ENDPOINT)")
    parser.add_argument("--namespace", default="", metavar="NAME", help="namespace of the runs")
    parser.add_argument("--kube_context", default="", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument(
        "--token_file", default="", metavar="FILE", help="file of a token (default: KF_PIPELINES_TOKEN)"
    )
    parser.add_argument("--ca_cert", default="", metavar="FILE", help="certificate authority of Kubeflow")


def place_of(arguments: argparse.Namespace) -> Any:
    """The place of these flags.

    Raises:
        ConfigError: a file that they name is not there.
    """
    from ostinato_pipelines.remote.connection import Place

    for flag in ("token_file", "ca_cert"):
        path = getattr(arguments, flag)
        if path and not Path(path).is_file():
            raise ConfigError(f"--{flag}: there is no file {path}")
    return Place(arguments.host, arguments.namespace, arguments.kube_context, arguments.token_file, arguments.ca_cert)


def _package_flags(parser: argparse.ArgumentParser) -> None:
    """What is run, and with what."""
    add_config(parser, positional=True)
    parser.add_argument("--package", metavar="FILE", help="a compiled pipeline, in place of a config")
    parser.add_argument("-d", "--dataset", metavar="URI", help="file, folder or pattern that the run will read")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="an input of the run form; may be repeated"
    )
    parser.add_argument("--image_data", metavar="IMAGE", help="image of the steps without torch")
    parser.add_argument("--image_train", metavar="IMAGE", help="image of the steps with torch")
    parser.add_argument("--pipeline", metavar="NAME", help="name of the pipeline (default: by the config file)")
    parser.add_argument(
        "--version", metavar="NAME", help="name of its version (default: git commit and digest of the package)"
    )
    parser.add_argument("--git_sha", metavar="SHA", help="commit (default: GITHUB_SHA, CI_COMMIT_SHA, or of git)")
    parser.add_argument("--experiment", metavar="NAME", help="default: the name of the pipeline")
    parser.add_argument("--service_account", default="", metavar="NAME", help="of the pods")


@dataclass(frozen=True)
class _Package:
    text: str
    pipeline: str
    version: str
    git_sha: str
    values: Mapping[str, Any]


def _package(arguments: argparse.Namespace) -> _Package:
    """What the flags say, checked as far as it can be without a backend."""
    from ostinato_pipelines.compile import name_by_file, pipeline_name, pipeline_text
    from ostinato_pipelines.remote import form
    from ostinato_pipelines.remote.submission import commit, version_name

    source = arguments.config_file or arguments.config
    git_sha = arguments.git_sha or commit(Path(arguments.package or source or ".").absolute().parent)
    if arguments.package:
        if source or arguments.config_str or arguments.override or arguments.image_data or arguments.image_train:
            raise ConfigError("--package is compiled: config, --override and images are for `ostinato compile`")
        try:
            text = Path(arguments.package).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(Problem(arguments.package, f"can't be read: {error}")) from error
        package = form.read_package(text, arguments.package)
        pipeline = arguments.pipeline or str(package["pipelineInfo"]["name"])
    else:
        pipeline = pipeline_name(arguments.pipeline or name_by_file(source))
        text = pipeline_text(
            read_config(arguments).document,
            name=pipeline,
            image_data=arguments.image_data,
            image_train=arguments.image_train,
            git_sha=git_sha,
        )
        package = form.read_package(text, pipeline)
    inputs = form.read_inputs(arguments.param) | ({"dataset": arguments.dataset} if arguments.dataset else {})
    known = form.parameters(package)
    if "dataset" in known and not inputs.get("dataset") and not known["dataset"].get("defaultValue"):
        raise ConfigError(
            Problem("--dataset", "a run needs data", "a URI that pods see, e.g. s3://bucket/data.parquet")
        )
    version = arguments.version or version_name(text, git_sha)
    return _Package(text, pipeline, version, git_sha, form.arguments(package, inputs))


def _submit_flags(parser: argparse.ArgumentParser) -> None:
    _package_flags(parser)
    parser.add_argument("--run_name", metavar="NAME", help="default: pipeline and version")
    parser.add_argument("--description", default="", metavar="TEXT", help="on the page of the run")
    parser.add_argument("--pipeline_root", default="", metavar="URI", help="where artifacts go")
    parser.add_argument("--upload_only", action="store_true", help="uploads the version and starts no run")
    parser.add_argument("--wait", action="store_true", help="waits until the run is over, as `ostinato wait` does")
    _wait_flag(parser)
    parser.add_argument("--json", action="store_true", help="prints JSON")
    add_place(parser)
    add_logging(parser)


@command(_submit_flags)
def submit(arguments: argparse.Namespace) -> int:
    """Compiles, uploads as a version of a pipeline (what is there is not uploaded again) and starts a run."""
    from ostinato_pipelines.remote.connection import connect
    from ostinato_pipelines.remote.submission import start, upload

    package, place = _package(arguments), place_of(arguments)
    connection = connect(place)
    version = upload(connection, package.text, package.pipeline, package.version)
    what = "uploaded" if version.is_new else "already there"
    print(f"pipeline {package.pipeline}, version {version.name}: {what}", file=sys.stderr)
    if arguments.upload_only:
        if arguments.json:
            print(json.dumps(asdict(version), indent=2))
        return 0
    commit = f"commit {package.git_sha}" if package.git_sha else ""
    run = start(
        connection,
        version,
        package.values,
        experiment=arguments.experiment or package.pipeline,
        name=arguments.run_name or f"{package.pipeline} {version.name}",
        description="\n".join(filter(None, [arguments.description, commit])),
        service_account=arguments.service_account,
        pipeline_root=arguments.pipeline_root,
    )
    print(json.dumps(asdict(run), indent=2) if arguments.json else f"{run.run_id}\n{run.link}", flush=True)
    return _until_over(connection, run.run_id, arguments.timeout_s) if arguments.wait else 0


def _wait_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout_s", type=float, default=86_400.0, metavar="S", help="longest wait in seconds (default: a day)"
    )


def _wait_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN_ID", help="id of the run, as `ostinato submit` prints it")
    _wait_flag(parser)
    add_place(parser)
    add_logging(parser)


@command(_wait_flags)
def wait(arguments: argparse.Namespace) -> int:
    """Waits until a run is over; the exit code is that of the step that failed, 4 for cancelled and for too long."""
    from ostinato_pipelines.remote.connection import connect

    return _until_over(connect(place_of(arguments)), arguments.run_id, arguments.timeout_s)


def _until_over(connection: Any, run_id: str, timeout_s: float) -> int:
    from ostinato_pipelines.remote.waiting import wait as wait_for

    ended = wait_for(
        connection, run_id, timeout_s=timeout_s, told=lambda line: print(line, file=sys.stderr, flush=True)
    )
    ended.raise_for_state()
    return 0


def _report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a run, or the output directory of `ostinato run`")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    add_place(parser)
    add_logging(parser)


@command(_report_flags)
def report(arguments: argparse.Namespace) -> int:
    """Writes what came of a run in Markdown, for a pull request."""
    from ostinato_pipelines.compile import write_file
    from ostinato_pipelines.remote import markdown

    if Path(arguments.run).is_dir():
        text = markdown.of_folder(Path(arguments.run))
    else:
        from ostinato_pipelines.remote.connection import connect
        from ostinato_pipelines.remote.waiting import outcome

        text = markdown.of_outcome(outcome(connect(place_of(arguments)), arguments.run))
    if arguments.output:
        write_file(Path(arguments.output), text)
    else:
        print(text, end="")
    return 0


def _schedule_flags(parser: argparse.ArgumentParser) -> None:
    _package_flags(parser)
    parser.add_argument("--name", metavar="NAME", help="of the schedule (default: the name of the pipeline)")
    parser.add_argument("--cron", metavar="TEXT", help='when, in UTC: "30 2 * * *" is each night at 2:30')
    parser.add_argument("--start", default="", metavar="TIME", help="not before, e.g. 2027-01-31T00:00:00Z")
    parser.add_argument("--end", default="", metavar="TIME", help="not after")
    parser.add_argument(
        "--max_concurrency", type=int, default=1, metavar="N", help="runs of it at the same time, 1 to 10 (default: 1)"
    )
    parser.add_argument("--catch_up", action="store_true", help="makes up for runs that were missed")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="lists the schedules")
    what.add_argument("--pause", metavar="NAME", help="lets a schedule rest")
    what.add_argument("--resume", metavar="NAME", help="lets it go on")
    what.add_argument("--delete", metavar="NAME", help="takes it away; its runs stay")
    add_place(parser)
    add_logging(parser)


@command(_schedule_flags)
def schedule(arguments: argparse.Namespace) -> int:
    """Lets a pipeline run at times that cron tells, in place of a schedule of the same name; lists, pauses, deletes."""
    from ostinato_pipelines.remote import schedule as schedules
    from ostinato_pipelines.remote.connection import connect
    from ostinato_pipelines.remote.submission import upload

    if arguments.list or arguments.pause or arguments.resume or arguments.delete:
        connection = connect(place_of(arguments))
        if arguments.list:
            print("\n".join(schedules.listed(connection)) or "there is none")
        elif arguments.delete:
            schedules.delete(connection, arguments.delete)
        else:
            schedules.pause(connection, arguments.pause or arguments.resume, paused=bool(arguments.pause))
        return 0
    if not arguments.cron:
        raise ConfigError(Problem("--cron", "a schedule needs its times", hint='e.g. --cron "30 2 * * *"'))
    if not 1 <= arguments.max_concurrency <= 10:
        raise ConfigError(Problem("--max_concurrency", f"found {arguments.max_concurrency}", "1 to 10"))
    cron = schedules.cron_of(arguments.cron)
    start, end = schedules.moment("--start", arguments.start), schedules.moment("--end", arguments.end)
    package, place = _package(arguments), place_of(arguments)
    connection = connect(place)
    version = upload(connection, package.text, package.pipeline, package.version)
    name = arguments.name or package.pipeline
    done = schedules.put(
        connection,
        schedules.Schedule(name, cron, start, end, arguments.max_concurrency, arguments.catch_up),
        version,
        package.values,
        experiment=arguments.experiment or package.pipeline,
        service_account=arguments.service_account,
    )
    print(f"schedule {name}: {done}, {cron} UTC, version {version.name}", file=sys.stderr)
    return 0
