"""Commands on the DAG: compile, preflight, run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ostinato.backend.kubernetes.spec import KubernetesSpec
from ostinato.errors import ConfigError
from ostinato.load import load_part
from ostinato_pipelines.commands.config import read_config
from ostinato_pipelines.commands.flags import add_config, add_logging, add_resume, add_seed, command
from ostinato_pipelines.commands.remote import add_place, place_of


def _compile_flags(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)
    parser.add_argument("-o", "--output", default="pipeline.yaml", metavar="FILE", help="default: pipeline.yaml")
    parser.add_argument("--universal", action="store_true", help="the config becomes an input of the run form")
    parser.add_argument(
        "--kubernetes",
        metavar="FILE",
        help="YAML file of what a config says under backend.kubernetes, in place of that",
    )
    parser.add_argument("--image_data", metavar="IMAGE", help="image of the steps without torch")
    parser.add_argument("--image_train", metavar="IMAGE", help="image of the steps with torch")
    parser.add_argument("--name", metavar="NAME", help="name of the pipeline (default: by the config file)")
    parser.add_argument("--git_sha", default="", metavar="SHA", help="commit that the model's lock.json names")
    parser.add_argument(
        "--components", metavar="DIR", help="writes each step there as a component of its own, in place of a pipeline"
    )
    add_logging(parser)


@command(_compile_flags)
def compile(arguments: argparse.Namespace) -> int:
    """Compiles a config into a pipeline package that Kubeflow accepts; with --universal one for every config."""
    from ostinato_pipelines.compile import compile_pipeline, name_by_file

    has_config = bool(arguments.config_file or arguments.config or arguments.config_str)
    if arguments.universal and has_config:
        raise ConfigError("--universal takes no config: the config is an input of the run form")
    if arguments.components:
        return _publish(arguments, has_config)
    loaded = None if arguments.universal else read_config(arguments)
    source = arguments.config_file or arguments.config
    compile_pipeline(
        loaded.document if loaded else None,
        arguments.output,
        name=arguments.name or name_by_file(source),
        image_data=arguments.image_data,
        image_train=arguments.image_train,
        kubernetes=load_part(arguments.kubernetes, KubernetesSpec) if arguments.kubernetes else None,
        git_sha=arguments.git_sha,
    )
    print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def _publish(arguments: argparse.Namespace, has_config: bool) -> int:
    from ostinato_pipelines.publishing import publish

    if has_config or arguments.universal or arguments.name or arguments.git_sha or arguments.kubernetes:
        raise ConfigError("--components takes images only: steps know no config, and have names of their own")
    published = publish(Path(arguments.components), arguments.image_data, arguments.image_train)
    print(f"wrote {len(published)} components to {arguments.components}", file=sys.stderr)
    return 0


def _preflight_flags(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)
    parser.add_argument("-d", "--dataset", metavar="URI", help="file, folder or pattern that the run will read")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="an input of the run form; may be repeated"
    )
    parser.add_argument("--image_data", metavar="IMAGE", help="image of the steps without torch")
    parser.add_argument("--image_train", metavar="IMAGE", help="image of the steps with torch")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="prints JSON")
    add_logging(parser)


@command(_preflight_flags)
def preflight(arguments: argparse.Namespace) -> int:
    """Checks before a run is submitted: config, package, data, storage, images, Kubeflow, Secret, quota."""
    from ostinato_pipelines.preflight import check
    from ostinato_pipelines.preflight.run import preflight as run_checks
    from ostinato_pipelines.remote.form import read_inputs

    inputs = read_inputs(arguments.param) | ({"dataset": arguments.dataset} if arguments.dataset else {})
    checks = run_checks(
        lambda: read_config(arguments),
        inputs,
        place_of(arguments),
        image_data=arguments.image_data,
        image_train=arguments.image_train,
    )
    print(check.as_json(checks) if arguments.json else check.as_text(checks))
    return check.exit_code(checks)


def _run_flags(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)
    parser.add_argument("-d", "--dataset", required=True, metavar="URI", help="file, folder or pattern")
    parser.add_argument(
        "-od", "-o", "--output_directory", default="results/pipeline", metavar="DIR", help="default: results/pipeline"
    )
    parser.add_argument("--no_cache", action="store_true", help="runs every step, even if nothing changed")
    parser.add_argument(
        "--runner",
        choices=["subprocess", "docker"],
        default="subprocess",
        help="where a step runs: in a process of this machine, or in a container (default: subprocess)",
    )
    parser.add_argument("--image_data", default="", metavar="IMAGE", help="docker: image of the steps without torch")
    parser.add_argument("--image_train", default="", metavar="IMAGE", help="docker: image of the steps with torch")
    parser.add_argument(
        "--container_user", default="", metavar="UID[:GID]", help="docker: user of the steps (default: you, in group 0)"
    )
    parser.add_argument(
        "--container_network",
        default="",
        metavar="NAME",
        help="docker: network of the steps (default: none; bridge where data lie in a store)",
    )
    add_seed(parser)
    add_resume(parser)
    add_logging(parser)


@command(_run_flags)
def run(arguments: argparse.Namespace) -> int:
    """Runs the compiled pipeline on this machine by KFP's local runner, each step in a process or container."""
    from ostinato_pipelines.local import run_local
    from ostinato_pipelines.local_containers import ContainerOptions

    containers = ContainerOptions(
        arguments.image_data, arguments.image_train, arguments.container_user, arguments.container_network
    )
    if arguments.runner != "docker" and containers != ContainerOptions():
        raise ConfigError("--image_data, --image_train and --container_… are for --runner docker")
    loaded = read_config(arguments)
    result = run_local(
        loaded.document,
        arguments.dataset,
        output_directory=arguments.output_directory,
        seed=arguments.random_seed,
        caching=not arguments.no_cache,
        resume=arguments.resume,
        containers=containers if arguments.runner == "docker" else None,
    )
    print(result.summary())
    return 0
