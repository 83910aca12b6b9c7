"""Commands that train: train, experiment."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from ostinato.errors import ConfigError
from ostinato_pipelines.commands.config import read_config
from ostinato_pipelines.commands.device import set_up
from ostinato_pipelines.commands.flags import (
    add_config,
    add_data,
    add_device,
    add_logging,
    add_not_yet,
    add_output,
    add_resume,
    add_seed,
    add_switches,
    command,
)

TRAIN_SWITCHES = {
    "skip_save_training_description": ("sstd", "does not write description.json"),
    "skip_save_training_statistics": ("ssts", "does not write training_statistics.json"),
    "skip_save_model": ("ssm", "does not write the model"),
    "skip_save_progress": ("ssp", "does not write the model while it improves"),
    "skip_save_log": ("ssl", "does not write the learning curves"),
    "skip_save_processed_input": ("sspi", "does not keep the encoded rows"),
}
EXPERIMENT_SWITCHES = {
    "skip_save_unprocessed_output": ("ssuo", "does not write predictions as .npy"),
    "skip_save_predictions": ("sstp", "does not write predictions"),
    "skip_save_eval_stats": ("sstes", "does not write test_statistics.json"),
}


def _train_flags(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_data(parser)
    add_config(parser)
    add_not_yet(parser, "-mlp", "--model_load_path")
    add_not_yet(parser, "-mrp", "--model_resume_path")
    add_seed(parser)
    add_resume(parser)
    add_switches(parser, TRAIN_SWITCHES)
    add_device(parser)
    add_logging(parser)


def _experiment_flags(parser: argparse.ArgumentParser) -> None:
    _train_flags(parser)
    parser.add_argument(
        "-es", "--eval_split", default="test", choices=["training", "validation", "test"], help="default: test"
    )
    add_switches(parser, EXPERIMENT_SWITCHES)
    add_not_yet(parser, "-kf", "--k_fold")
    add_not_yet(parser, "-skfsi", "--skip_save_k_fold_split_indices", takes_value=False)


@command(_train_flags)
def train(arguments: argparse.Namespace) -> int:
    """Trains a model and keeps the best by the validation metric."""
    return _train(arguments, "train", list(TRAIN_SWITCHES))


@command(_experiment_flags)
def experiment(arguments: argparse.Namespace) -> int:
    """Trains a model, then evaluates it on the test rows and writes a report."""
    return _train(arguments, "experiment", ["eval_split", *TRAIN_SWITCHES, *EXPERIMENT_SWITCHES])


def _train(arguments: argparse.Namespace, method: str, options: list[str]) -> int:
    if not (arguments.dataset or arguments.training_set):
        raise ConfigError("give the data: --dataset URI, or --training_set URI (and --validation_set, --test_set)")
    loaded = read_config(arguments)
    set_up(arguments)
    from ostinato_pipelines.model import Model

    model = Model(loaded.document, logging_level=logging.getLogger("ostinato").level)
    results: Any = getattr(model, method)(
        arguments.dataset,
        training_set=arguments.training_set,
        validation_set=arguments.validation_set,
        test_set=arguments.test_set,
        data_format=arguments.data_format,
        experiment_name=arguments.experiment_name,
        model_name=arguments.model_name,
        output_directory=arguments.output_directory,
        random_seed=arguments.random_seed,
        resume=arguments.resume,
        **{option: getattr(arguments, option) for option in options},
    )
    if not arguments.skip_save_model:
        print(f"model:   {results.output_directory}/model")
    if method == "experiment":
        print(f"report:  {results.output_directory}/report.html")
    print(f"results: {results.output_directory}")
    return 0
