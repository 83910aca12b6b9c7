"""The step `validate_data` as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from ostinato_components.images import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def validate_data(
    statistics: dsl.Input[dsl.Artifact],
    config: str,
    report: dsl.Output[dsl.HTML],
    findings: dsl.Output[dsl.Artifact],
    proposal: dsl.Output[dsl.Artifact],
    contract: str = "",
) -> NamedTuple("Validated", [("refusal", str)]):  # type: ignore[valid-type]
    """Compares the data with their contract: columns, types, missing and unseen values, ranges, drift.

    Args:
        statistics: Statistics of the data, as the step infer_schema wrote them.
        config: The section data_contract of the config as JSON: where the contract is, and what is checked.
        contract: The contract itself, where the config names a local path; a URI is read by this step.

    Returns:
        report: What is otherwise than the contract says, and the distributions side by side.
        findings: The same as JSON.
        proposal: The contract that these data fulfil, as YAML: to be put in the place of the old one if they are right.
        refusal: Why the data are refused, for the step verdict; empty where they are accepted.
    """
    from ostinato_components.task import task, to_json
    from ostinato_components.validate_data import run

    with task():
        error = run(
            statistics.path,
            config,
            contract,
            report_path=report.path,
            findings_path=findings.path,
            proposal_path=proposal.path,
        )
        return (to_json(error) if error else "",)
