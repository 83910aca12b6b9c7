"""The command `ostinato`. A command's own module is imported only when it runs, so that `--help` is instant."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

from ostinato import __version__
from ostinato.errors import ConfigError, Interrupted, OstinatoError, Problem, did_you_mean, listing

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train", "train a model"),
    "experiment": ("train", "train a model, then evaluate it on the test rows"),
    "predict": ("predict", "predict with a trained model"),
    "evaluate": ("predict", "evaluate a trained model"),
    "preprocess": ("data", "encode a data set into Parquet shards"),
    "init_config": ("config", "write a first config for a data set"),
    "validate": ("config", "check a config, and with --dataset its columns"),
    "render_config": ("config", "write the config with every default filled in"),
    "export_schema": ("config", "write the JSON schema of the config, for editors"),
    "schema": ("schema", "accept, diff or check the contract of the data"),
    "compile": ("pipeline", "compile a config into a Kubeflow pipeline"),
    "preflight": ("pipeline", "check all that a run on Kubeflow needs, before it is submitted"),
    "submit": ("remote", "upload a pipeline to Kubeflow and start a run"),
    "wait": ("remote", "wait for a run on Kubeflow; the exit code says what came of it"),
    "report": ("remote", "what came of a run, in Markdown for a pull request"),
    "schedule": ("remote", "let a pipeline run on Kubeflow at times that cron tells"),
    "run": ("pipeline", "run the compiled pipeline on this machine, with or without Docker"),
    "reproduce": ("reproduce", "train a model again as its lock.json says, and compare"),
}
"""Name -> (module below `commands`, one line of help)."""


def usage() -> str:
    """The text of `ostinato --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ostinato COMMAND [options]     ostinato COMMAND --help     ostinato --version",
            "",
            "Declarative deep learning on Kubeflow: one YAML in; a trained, evaluated, exported model out.",
            "",
            *lines,
            "",
            "Exit codes: 0 good, 2 config or usage, 3 data, 4 interrupted, 5 a gate said no, 1 anything else.",
        ]
    )


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are those of the rest of Ostinato."""

    def error(self, message: str) -> NoReturn:
        """Raises instead of exiting, so that there is one place where errors are printed."""
        raise ConfigError(Problem("", message, hint=f"see '{self.prog} --help'"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code. Errors of a user are printed without a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminated_is_interrupted():
            code = _dispatch(arguments)
            sys.stdout.flush()
    except OstinatoError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        _complain(Interrupted("interrupted; nothing half-written was left that counts as whole"))
        return Interrupted.exit_code
    except BrokenPipeError:
        # The reader of a pipe (`| head`) went away. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        _complain(OstinatoError(f"{place}{error.strerror or error}"))
        return OstinatoError.exit_code
    return code


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """SIGTERM acts as Ctrl-C does: what is being written is cleared away, and the exit code says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(error: OstinatoError) -> None:
    count = len(error.problems)
    print(f"error: {error}" if count == 1 else f"{count} errors:\n{error}", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0 if arguments else ConfigError.exit_code
    if arguments[0] == "--version":
        print(f"ostinato {__version__}")
        return 0
    name = arguments[0].replace("-", "_")
    if name not in COMMANDS:
        raise ConfigError(
            Problem("", f"unknown command '{arguments[0]}'", listing(COMMANDS), did_you_mean(name, COMMANDS))
        )
    module = importlib.import_module(f"ostinato_pipelines.commands.{COMMANDS[name][0]}")
    command = getattr(module, name)
    parser = Parser(prog=f"ostinato {name}", description=command.__doc__, allow_abbrev=False)
    command.add_flags(parser)
    parsed, unknown = parser.parse_known_args([_underscored(argument) for argument in arguments[1:]])
    if unknown:
        known = [flag for action in parser._actions for flag in action.option_strings]
        raise ConfigError(
            [Problem("", f"unknown argument '{argument}'", hint=did_you_mean(argument, known)) for argument in unknown]
        )
    return int(command(parsed))


def _underscored(argument: str) -> str:
    """`--model-path=a-b` -> `--model_path=a-b`: flags may be written either way."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


if __name__ == "__main__":
    sys.exit(main())
