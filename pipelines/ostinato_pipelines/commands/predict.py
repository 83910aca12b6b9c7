"""Commands that use a trained model: predict, evaluate."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ostinato_pipelines.commands.device import set_up
from ostinato_pipelines.commands.flags import add_data, add_device, add_logging, add_not_yet, add_switches, command


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not '{text}'")
    return int(text)


def _shared_flags(parser: argparse.ArgumentParser) -> None:
    add_data(parser, required=True, splits=False)
    parser.add_argument("-m", "--model_path", required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("-od", "--output_directory", default="results", metavar="DIR", help="default: results")
    parser.add_argument(
        "-bs", "--batch_size", type=_positive, metavar="N", help="most rows at once; default: what suits"
    )
    add_device(parser)
    add_logging(parser)


def _predict_flags(parser: argparse.ArgumentParser) -> None:
    _shared_flags(parser)
    add_switches(
        parser,
        {
            "skip_save_unprocessed_output": ("ssuo", "does not write predictions as .npy"),
            "skip_save_predictions": ("sstp", "does not write predictions"),
        },
    )
    parser.add_argument("-s", "--split", default="full", choices=["full"], help="only full: every row is predicted")
    add_not_yet(parser, "-gc", "--generation_config")


def _evaluate_flags(parser: argparse.ArgumentParser) -> None:
    _shared_flags(parser)
    parser.add_argument(
        "-s",
        "--split",
        default="full",
        choices=["training", "validation", "test", "full"],
        help="the rows that training, validation or test had, of the data trained on; default: full",
    )
    add_switches(
        parser,
        {
            "skip_save_unprocessed_output": ("ssuo", "does not write predictions as .npy"),
            "skip_save_eval_stats": ("sses", "does not write test_statistics.json"),
            "skip_collect_predictions": ("scp", "does not write predictions"),
            "skip_collect_overall_stats": ("scos", "leaves confusion matrix and curves out"),
        },
    )


@command(_predict_flags)
def predict(arguments: argparse.Namespace) -> int:
    """Predicts with a trained model; the columns to predict need not be there."""
    set_up(arguments)
    from ostinato.batches import open_source
    from ostinato.predictor import Predictor
    from ostinato_pipelines.prediction_files import PREDICTIONS, saved

    source = open_source(arguments.dataset, arguments.data_format)
    predictor = Predictor.load(arguments.model_path)
    tables = predictor.predict_stream(source, batch_size=arguments.batch_size)
    directory = Path(arguments.output_directory)
    if not arguments.skip_save_predictions:
        tables = saved(tables, directory, unprocessed=not arguments.skip_save_unprocessed_output)
    for _ in tables:  # what was written need not stay in memory
        pass
    for warning in predictor.warnings(source):
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{predictor.report.rows} rows predicted")
    if not arguments.skip_save_predictions:
        print(f"predictions: {directory / PREDICTIONS}")
    return 0


@command(_evaluate_flags)
def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluates a trained model on rows with targets."""
    set_up(arguments)
    from ostinato_pipelines.model import Model

    model = Model.load(arguments.model_path, logging_level=logging.getLogger("ostinato").level)
    results = model.evaluate(
        arguments.dataset,
        data_format=arguments.data_format,
        split=arguments.split,
        batch_size=arguments.batch_size,
        skip_save_unprocessed_output=arguments.skip_save_unprocessed_output,
        skip_save_predictions=arguments.skip_collect_predictions,
        skip_save_eval_stats=arguments.skip_save_eval_stats,
        collect_overall_stats=not arguments.skip_collect_overall_stats,
        output_directory=arguments.output_directory,
        return_type="arrow",
    )
    for warning in results.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for feature, metrics in results.eval_stats.items():
        for metric, value in metrics.items():
            if isinstance(value, int | float):
                print(f"{feature}.{metric}: {value:.6g}")
    print(f"results: {arguments.output_directory}")
    return 0
