"""The command reproduce."""

from __future__ import annotations

import argparse

from ostinato_pipelines.commands.device import set_up
from ostinato_pipelines.commands.flags import add_data, add_device, add_logging, command


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to below 1, not '{text}'")
    return share


def _flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder of the model, or a bundle; a path or URI")
    add_data(parser)
    parser.add_argument(
        "--tolerance",
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="by which a metric may differ where versions or hardware do; default: 0.05",
    )
    parser.add_argument("--other_versions", action="store_true", help="goes on where versions of libraries differ")
    parser.add_argument(
        "-od", "--output_directory", metavar="DIR", help="a new folder for the model that is trained again"
    )
    add_device(parser)
    add_logging(parser)


@command(_flags)
def reproduce(arguments: argparse.Namespace) -> int:
    """Trains a model again as its lock.json says, on the same data, and compares weights and metrics."""
    set_up(arguments)
    from ostinato_pipelines.reproduce import reproduce as train_again

    names = ("dataset", "training_set", "validation_set", "test_set")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    found = train_again(
        arguments.model,
        given,
        data_format=arguments.data_format,
        tolerance=arguments.tolerance,
        other_versions=arguments.other_versions,
        output_directory=arguments.output_directory,
    )
    print(found.table())
    print(f"\n{found.verdict()}")
    return 0
