"""The command on contracts of data: schema accept, diff, check. None of it loads torch."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostinato.errors import ConfigError
from ostinato_pipelines.commands.config import read_config
from ostinato_pipelines.commands.device import set_up
from ostinato_pipelines.commands.flags import add_config, add_data, add_logging, command

if TYPE_CHECKING:
    from ostinato.contract.spec import Contract


def _flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="accept|diff|check")
    accept = actions.add_parser("accept", help="makes data the contract", description=_accept.__doc__)
    accept.add_argument("statistics", nargs="?", metavar="STATISTICS", help="statistics.json, or the folder of a run")
    accept.add_argument("-o", "--output", default="contract.yaml", metavar="FILE", help="default: contract.yaml")
    diff = actions.add_parser("diff", help="shows what is new in data", description=_diff.__doc__)
    diff.add_argument("contract", metavar="CONTRACT", help="file of a contract")
    diff.add_argument("statistics", nargs="?", metavar="OTHER", help="contract, statistics.json or folder of a run")
    check = actions.add_parser("check", help="compares data with the contract", description=_check.__doc__)
    check.add_argument("contract", metavar="CONTRACT", help="file of a contract")
    check.add_argument("statistics", nargs="?", metavar="STATISTICS", help="statistics.json, or the folder of a run")
    check.add_argument("--report", metavar="FILE", help="writes the distributions side by side (HTML)")
    for action in (accept, diff, check):
        add_data(action, splits=False)
        add_config(action)
        add_logging(action)


@command(_flags)
def schema(arguments: argparse.Namespace) -> int:
    """Keeps the contract of the data: what the data of the last accepted run were like."""
    set_up(arguments)
    if bool(arguments.statistics) == bool(arguments.dataset):
        raise ConfigError("give the data once: the statistics or folder of a run, or --dataset URI")
    return {"accept": _accept, "diff": _diff, "check": _check}[arguments.action](arguments)


def _accept(arguments: argparse.Namespace) -> int:
    """Writes the contract that data fulfil; in an older one, keeps the checks of columns that were written by hand."""
    from ostinato import storage
    from ostinato.contract.data import describe
    from ostinato.contract.file import differences, from_yaml, read_contract, to_yaml, with_checks_of

    contract = describe(_statistics(arguments))
    if storage.exists(arguments.output):
        old = read_contract(arguments.output)
        contract = with_checks_of(contract, old)
        # As it will be read: numbers are the same then.
        for line in differences(old, from_yaml(to_yaml(contract), arguments.output)):
            print(line)
    storage.write_bytes_atomic(arguments.output, to_yaml(contract).encode())
    print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    """Shows what would change in a contract if data became the contract: + new, - gone, ~ changed."""
    from ostinato.contract.file import differences, read_contract

    for line in differences(read_contract(arguments.contract), _other(arguments)):
        print(line)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """Compares data with their contract; with a config, as strictly as that says. Refused data are exit code 3."""
    from ostinato import storage
    from ostinato.contract.file import read_contract
    from ostinato.contract.spec import ChecksSpec
    from ostinato_components.validate_data import validate
    from ostinato_components.validate_data.report import render_report

    checks = ChecksSpec()
    if arguments.config or arguments.config_str:
        section = read_config(arguments).config.data_contract
        checks = section.checks if section else checks
    contract = read_contract(arguments.contract)
    validation = validate(contract, _statistics(arguments), checks)
    if arguments.report:
        page = render_report(contract, validation.statistics, validation.findings, arguments.contract)
        storage.write_bytes_atomic(arguments.report, page.encode())
    for finding in validation.findings:
        if finding.severity == "warning":
            where = f"{finding.column}: " if finding.column else ""
            print(f"warning: {where}{finding.check}: {finding.text}", file=sys.stderr)
    if validation.refusal:
        raise validation.refusal
    print(f"accepted: {validation.statistics['rows']:,} rows, {len(validation.statistics['columns']):,} columns")
    return 0


def _statistics(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Those that are named, or those of the data that are named."""
    from ostinato.contract.file import read_statistics
    from ostinato.load import canonical_json
    from ostinato_components import infer_schema

    if arguments.statistics:
        return read_statistics(arguments.statistics)
    config = ""
    if arguments.config or arguments.config_str:
        config = canonical_json(read_config(arguments).document)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("schema.json", "statistics.json", "profile.html")]
        infer_schema.run(arguments.dataset, config, *paths, data_format=arguments.data_format)
        return read_statistics(paths[1])


def _other(arguments: argparse.Namespace) -> Contract:
    from ostinato.contract.data import describe
    from ostinato.contract.file import from_yaml, read_contract, to_yaml

    if arguments.statistics and arguments.statistics.endswith((".yaml", ".yml")):
        return read_contract(arguments.statistics)
    return from_yaml(to_yaml(describe(_statistics(arguments))), "data")
