"""Commands on configs: validate, render_config, init_config, export_schema. None of them loads torch."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from ostinato.errors import ConfigError
from ostinato.load import LoadedConfig, load_config
from ostinato_pipelines.commands.flags import add_config, add_data, add_logging, add_seed, command


def read_config(arguments: argparse.Namespace) -> LoadedConfig:
    """The config that the flags name.

    Raises:
        ConfigError: none or several are named, or it is wrong.
    """
    named = [
        value for value in (getattr(arguments, "config_file", None), arguments.config, arguments.config_str) if value
    ]
    if len(named) != 1:
        raise ConfigError("give the config once: --config FILE or --config_str TEXT")
    overrides = dict(map(_split_override, arguments.override))
    if arguments.config_str:
        loaded = load_config("--config_str", text=arguments.config_str, overrides=overrides)
    else:
        loaded = load_config(Path(named[0]), overrides=overrides)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return loaded


def _split_override(text: str) -> tuple[str, object]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--override {text}: expected PATH=VALUE, e.g. trainer.epochs=5")
    try:
        return path, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--override {text}: the value is no YAML: {error}") from error


def write_text(text: str, output: str | None) -> None:
    """To the file, or to standard output where there is none."""
    if output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(text, encoding="utf-8")
        print(f"wrote {output}", file=sys.stderr)


def _validate_flags(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)
    add_data(parser, splits=False)
    add_logging(parser)


@command(_validate_flags)
def validate(arguments: argparse.Namespace) -> int:
    """Checks a config and reports everything that is wrong with it; with --dataset its columns and types too."""
    loaded = read_config(arguments)
    config = loaded.config
    if arguments.dataset:
        from ostinato.type_inference import check_dataset

        check_dataset(config, arguments.dataset, arguments.data_format)
    inputs, outputs = len(config.input_features), len(config.output_features)
    print(f"valid: {inputs} input feature{'s' * (inputs != 1)}, {outputs} output feature{'s' * (outputs != 1)}")
    return 0


def _render_flags(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    add_logging(parser)


@command(_render_flags)
def render_config(arguments: argparse.Namespace) -> int:
    """Writes the config with every default filled in."""
    from ostinato.load import render

    rendered = render(read_config(arguments).config)
    write_text(yaml.safe_dump(rendered, sort_keys=False, allow_unicode=True), arguments.output)
    return 0


def _init_flags(parser: argparse.ArgumentParser) -> None:
    add_data(parser, required=True, splits=False)
    parser.add_argument(
        "-t", "--target", action="append", required=True, metavar="COLUMN", help="what to predict; may be repeated"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    add_seed(parser)
    add_logging(parser)


@command(_init_flags)
def init_config(arguments: argparse.Namespace) -> int:
    """Writes a first config for a data set: a type for each column that is worth learning from."""
    from ostinato.type_inference import suggest

    suggestion = suggest(arguments.dataset, arguments.target, data_format=arguments.data_format)
    for note in suggestion.notes:
        print(f"note: {note}", file=sys.stderr)
    write_text(yaml.safe_dump(suggestion.config, sort_keys=False, allow_unicode=True), arguments.output)
    return 0


def _schema_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", "--output_path", metavar="FILE", help="default: standard output")
    parser.add_argument("--model_type", choices=["ecd", "combined"], default="ecd", help="only ecd in this version")


@command(_schema_flags)
def export_schema(arguments: argparse.Namespace) -> int:
    """Writes the JSON schema of the config; point your editor's YAML plug-in to it."""
    from ostinato.json_schema import export_schema as make_schema

    write_text(json.dumps(make_schema(), indent=2, ensure_ascii=False) + "\n", arguments.output)
    return 0
