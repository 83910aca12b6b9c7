"""Data and their contract -> whether they may be learned from, and why not."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ostinato import storage
from ostinato.contract.data import Finding, compare, describe
from ostinato.contract.file import from_yaml, read_contract, read_statistics, to_yaml, with_checks_of
from ostinato.contract.spec import ChecksSpec, Contract, DataContractSpec
from ostinato.errors import DataError, Problem
from ostinato.packing import unpacked
from ostinato_components.validate_data.report import render_report

MOST_PROBLEMS = 30
"""Problems of a refusal, which travels as a parameter of at most 10 kB; log and report have all."""

log = logging.getLogger("ostinato.validate_data")


@dataclass(frozen=True)
class Validation:
    """What the comparison found."""

    contract: Contract
    statistics: Mapping[str, Any]
    findings: tuple[Finding, ...]
    """Errors first."""

    @property
    def refusal(self) -> DataError | None:
        """The error of data that are not accepted."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        if not errors:
            return None
        problems = [Problem(finding.column or "data", f"{finding.check}: {finding.text}") for finding in errors]
        if len(problems) > MOST_PROBLEMS:
            problems[MOST_PROBLEMS:] = [Problem("", f"and {len(problems) - MOST_PROBLEMS} more; the report has all")]
        hint = "where the data are right, make them the contract: `ostinato schema accept`"
        return DataError([*problems[:-1], replace(problems[-1], hint=hint)])


def validate(contract: Contract, statistics: Mapping[str, Any], checks: ChecksSpec) -> Validation:
    """Compares data, by their statistics, with a contract."""
    return Validation(contract, statistics, tuple(compare(contract, statistics, checks)))


def run(
    statistics_path: str,
    config: str,
    contract: str,
    *,
    report_path: str,
    findings_path: str,
    proposal_path: str,
) -> DataError | None:
    """Writes report (HTML), findings (JSON) and the contract of today's data (YAML); gives why they are refused.

    Args:
        statistics_path: statistics that the step infer_schema wrote.
        config: the section `data_contract` as JSON.
        contract: the contract, YAML or JSON, or packed, where the `path` of the section is local; a URI is read here.
        report_path: where the report goes.
        findings_path: where the findings go.
        proposal_path: where the contract of today's data goes.

    Raises:
        ConfigError: there is no contract, or it is wrong.
        DataError: the statistics can't be read.
    """
    spec = DataContractSpec.model_validate_json(config, strict=False)
    statistics = read_statistics(statistics_path)
    travelled = contract and storage.is_local(spec.path)
    known = from_yaml(unpacked(contract), spec.path) if travelled else read_contract(spec.path)
    validation = validate(known, statistics, spec.checks)
    say(validation)
    error = validation.refusal
    found = {
        "accepted": error is None,
        "contract": spec.path,
        "source": statistics["source"],
        "findings": [asdict(finding) for finding in validation.findings],
    }
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    storage.write_bytes_atomic(findings_path, text.encode())
    storage.write_bytes_atomic(proposal_path, to_yaml(with_checks_of(describe(statistics), known)).encode())
    page = render_report(known, statistics, validation.findings, spec.path)
    storage.write_bytes_atomic(report_path, page.encode())
    return error


def say(validation: Validation) -> None:
    """Logs every finding."""
    for finding in validation.findings:
        where = f"{finding.column}: " if finding.column else ""
        log.warning("%s: %s%s: %s", finding.severity, where, finding.check, finding.text)
    if not validation.findings:
        log.info("the data are as their contract says")
