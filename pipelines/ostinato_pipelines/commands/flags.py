"""Flags that several commands share, named as Ludwig names them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol, cast

from ostinato.errors import ConfigError, Problem


class Command(Protocol):
    """A function that runs a command, with the function that adds its flags."""

    add_flags: Callable[[argparse.ArgumentParser], None]

    def __call__(self, arguments: argparse.Namespace) -> int:
        """Runs the command; returns the exit code."""


def command(
    add_flags: Callable[[argparse.ArgumentParser], None],
) -> Callable[[Callable[[argparse.Namespace], int]], Command]:
    """Decorator that joins a command with its flags."""

    def join(function: Callable[[argparse.Namespace], int]) -> Command:
        joined = cast(Command, function)
        joined.add_flags = add_flags
        return joined

    return join


class NotYet(argparse.Action):
    """A flag of Ludwig that is not implemented yet: using it is an error that says so."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Raises ConfigError."""
        raise ConfigError(Problem("", f"{option_string} is a flag of Ludwig but not implemented yet"))


def add_not_yet(parser: argparse.ArgumentParser, *flags: str, takes_value: bool = True) -> None:
    """Adds a flag that is known but not implemented yet."""
    parser.add_argument(*flags, action=NotYet, nargs=None if takes_value else 0, help=argparse.SUPPRESS)


def add_config(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """`--config`, `--config_str`, `--override`; for some commands the config is also their argument."""
    if positional:
        parser.add_argument("config_file", nargs="?", metavar="CONFIG", help="config file (YAML or JSON)")
    parser.add_argument("-c", "--config", metavar="FILE", help="config file (YAML or JSON)")
    parser.add_argument("-cs", "--config_str", metavar="TEXT", help="the config itself (YAML or JSON)")
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="sets one field, e.g. trainer.epochs=5; may be repeated",
    )


def add_data(parser: argparse.ArgumentParser, *, required: bool = False, splits: bool = True) -> None:
    """`--dataset` and its kin."""
    parser.add_argument(
        "-d", "--dataset", required=required, metavar="URI", help="file, folder or pattern; local, s3://, http(s)://, …"
    )
    if splits:
        parser.add_argument("--training_set", metavar="URI", help="rows to train on, in place of --dataset")
        parser.add_argument("--validation_set", metavar="URI", help="rows to validate on")
        parser.add_argument("--test_set", metavar="URI", help="rows to test on")
        add_not_yet(parser, "--training_set_metadata")
    parser.add_argument(
        "--data_format",
        default="auto",
        choices=["auto", "csv", "tsv", "parquet", "json", "jsonl", "feather", "arrow"],
        help="format of the data (default: by the file's ending)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--output_directory`, `--experiment_name`, `--model_name`."""
    parser.add_argument("-od", "--output_directory", default="results", metavar="DIR", help="default: results")
    parser.add_argument("--experiment_name", default="experiment", metavar="NAME", help="default: experiment")
    parser.add_argument("--model_name", default="run", metavar="NAME", help="default: run")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """`--random_seed`."""
    parser.add_argument("-rs", "--random_seed", type=int, default=42, metavar="N", help="default: 42")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """`--resume`."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="goes on from the checkpoint that an interrupted training of the same config, data and seed left, if any",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--gpus`, and what Ludwig has beside it."""
    parser.add_argument("-g", "--gpus", metavar="LIST", help="GPUs to use, e.g. 0 or 0,1; -1 for none")
    parser.add_argument("-b", "--backend", choices=["local"], default="local", help="where the work is done")
    add_not_yet(parser, "-gml", "--gpu_memory_limit")
    add_not_yet(parser, "-dpt", "--disable_parallel_threads", takes_value=False)


def add_logging(parser: argparse.ArgumentParser) -> None:
    """`--logging_level` and the trackers that are not there yet."""
    parser.add_argument(
        "-l",
        "--logging_level",
        default="info",
        choices=["critical", "error", "warning", "info", "debug", "notset"],
        help="default: info",
    )
    for tracker in ("--comet", "--wandb", "--mlflow", "--aim"):
        add_not_yet(parser, tracker, takes_value=False)


def add_switches(parser: argparse.ArgumentParser, switches: dict[str, tuple[str, str]]) -> None:
    """Switches that are off unless given: long name -> (short name, help)."""
    for name, (short, text) in switches.items():
        parser.add_argument(f"-{short}", f"--{name}", action="store_true", help=text)
