"""Commands on data: preprocess."""

from __future__ import annotations

import argparse

from ostinato.errors import ConfigError
from ostinato_pipelines.commands.config import read_config
from ostinato_pipelines.commands.device import set_up
from ostinato_pipelines.commands.flags import add_data, add_logging, add_seed, command


def _preprocess_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-pc", "-c", "--preprocessing_config", "--config", dest="config", metavar="FILE", help="config")
    parser.add_argument(
        "-pcs", "-cs", "--preprocessing_config_str", "--config_str", dest="config_str", metavar="TEXT", help="config"
    )
    parser.set_defaults(override=[])
    add_data(parser)
    parser.add_argument(
        "-od", "--output_directory", default="results/preprocessed", metavar="DIR", help="default: results/preprocessed"
    )
    add_seed(parser)
    add_logging(parser)


@command(_preprocess_flags)
def preprocess(arguments: argparse.Namespace) -> int:
    """Encodes a data set into Parquet shards, with statistics fitted on the training rows only. Needs no torch."""
    if not (arguments.dataset or arguments.training_set):
        raise ConfigError("give the data: --dataset URI, or --training_set URI (and --validation_set, --test_set)")
    loaded = read_config(arguments)
    set_up(arguments)
    from ostinato_pipelines.model import Model

    data = Model(loaded.document).preprocess(
        arguments.dataset,
        training_set=arguments.training_set,
        validation_set=arguments.validation_set,
        test_set=arguments.test_set,
        data_format=arguments.data_format,
        output_directory=arguments.output_directory,
        random_seed=arguments.random_seed,
    )
    for split in data.manifest.splits:
        print(f"{split}: {data.manifest.rows(split)} rows")
    print(f"results: {data.folder}")
    return 0
