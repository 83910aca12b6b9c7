"""Retraining on this machine: a contract of the data and a gate, through KFP's local runner and the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from ostinato.errors import ConfigError, DataError, GateError
from ostinato_pipelines.cli import main
from ostinato_pipelines.local import run_local

ROWS = 200
DOCUMENT = {
    "input_features": [{"name": "signal", "type": "number"}, {"name": "job", "type": "category"}],
    "output_features": [{"name": "up", "type": "binary"}],
    "combiner": {"type": "concat", "num_fc_layers": 0},
    "trainer": {"epochs": 15, "learning_rate": 0.05, "refit": False},
}
TOO_MUCH = [{"metric": "accuracy", "minimum": 1.1}]
CONDITIONS = [{"metric": "accuracy", "minimum": 0.7, "improvement": -0.2}, {"metric": "roc_auc", "minimum": 0.7}]


def write(path, seed, shift=0.0, jobs=("cook", "clerk")):
    """Rows whose target is whether the signal is above zero."""
    generator = np.random.default_rng(seed)
    signal = generator.normal(shift, 1.0, ROWS)
    lines = [f"{value:.4f},{generator.choice(jobs)},{'yes' if value > 0 else 'no'}" for value in signal]
    path.write_text("\n".join(["signal,job,up", *lines]) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("guards")


@pytest.fixture(scope="module")
def contract(home):
    """The contract of the first data, by the command."""
    data = write(home / "first.csv", 0)
    config = home / "plain.yaml"
    config.write_text(yaml.safe_dump(DOCUMENT))
    path = str(home / "contract.yaml")
    assert main(["schema", "accept", "--dataset", data, "--config", str(config), "-o", path]) == 0
    return path


@pytest.fixture(scope="module")
def document(home, contract):
    gate = {
        "conditions": CONDITIONS,
        "champion": str(home / "champion"),
        "slices": ["job"],
        "slice_rows": 5,
        "resamples": 100,
    }
    return DOCUMENT | {"data_contract": {"path": contract}, "gate": gate}


def run(home, document, data, **options):
    return run_local(document, data, output_directory=home / "out", store=home / ".ostinato", **options)


@pytest.fixture(scope="module")
def first(home, document):
    return run(home, document, home / "first.csv")


def test_the_steps_stand_where_they_decide(first):
    names = [step.name for step in first.steps]
    assert names == [
        "resolve", "infer_schema", "validate_data", "verdict", "preprocess", "train", "evaluate", "export",
        "gate", "verdict_2",
    ]  # fmt: skip


def test_the_first_model_becomes_the_champion(first, home):
    decision = json.loads((home / "out" / "gate.json").read_text())
    assert decision["verdict"] == "accepted"
    pointer = json.loads((home / "champion" / "champion.json").read_text())
    assert decision["promoted"] == f"{home}/champion/{pointer['bundle']}"
    assert (home / "champion" / pointer["bundle"] / "bundle.json").exists()
    measured = first.step("gate").metrics
    assert measured["challenger.up.accuracy"] == pytest.approx(first.metrics["up.accuracy"]), "on the same rows"
    assert measured["challenger.up.roc_auc"] == pytest.approx(first.metrics["up.roc_auc"], abs=1e-4)
    assert all(Path(path).exists() for path in first.results.values())
    assert {"gate.html", "data_validation.html", "contract.yaml"} <= set(first.results)


def test_other_conditions_train_nothing_again(first, home, document):
    changed = run(home, document, home / "first.csv", overrides={"gate.slice_rows": 6})
    again = {step.name for step in changed.steps if not step.cached}
    assert again == {"resolve", "validate_data", "gate"}


def test_drifted_data_end_the_run_with_code_3_all_findings_and_a_report(first, home, document, capfd):
    data = write(home / "drifted.csv", 1, shift=3.0, jobs=("cook", "pilot"))
    with pytest.raises(DataError) as caught:
        run(home, document, data)
    where = {problem.where for problem in caught.value.problems}
    assert {"signal", "job", "up"} <= where
    assert "preprocess" not in capfd.readouterr().err
    findings = json.loads((home / "out" / "data_validation.json").read_text())
    assert not findings["accepted"]
    assert "pilot" in (home / "out" / "data_validation.html").read_text()
    assert not (home / "out" / "model").exists(), "that of an earlier run"


def test_a_model_that_is_not_good_enough_ends_the_run_with_code_5_and_the_champion_stays(first, home, document):
    before = (home / "champion" / "champion.json").read_text()
    with pytest.raises(GateError, match=r"up\.accuracy"):
        run(home, document, home / "first.csv", overrides={"gate.conditions": TOO_MUCH})
    assert (home / "champion" / "champion.json").read_text() == before
    assert json.loads((home / "out" / "gate.json").read_text())["verdict"] == "refused"
    assert "Refused" in (home / "out" / "gate.html").read_text()
    assert (home / "out" / "model").exists(), "for whoever wants to see what is wrong with it"


def test_the_command_ends_with_the_code_of_the_refusal(first, home, document):
    config = home / "config.yaml"
    config.write_text(yaml.safe_dump(document | {"gate": document["gate"] | {"conditions": TOO_MUCH}}))
    command = [sys.executable, "-m", "ostinato_pipelines.cli", "run", str(config), "--dataset", str(home / "first.csv")]
    done = subprocess.run(
        [*command, "-o", "out"], cwd=home, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert "at least 1.1 is asked for" in done.stderr


def test_a_contract_that_is_not_there_is_an_error_before_anything_runs(home, document, capfd):
    missing = document | {"data_contract": {"path": str(home / "nothing.yaml")}}
    with pytest.raises(ConfigError, match="there is no contract"):
        run(home, missing, home / "first.csv")
    assert "[1/" not in capfd.readouterr().err


def test_a_pipeline_without_the_steps_refuses_a_config_that_asks_for_them(document, home):
    from ostinato_components import resolve

    with pytest.raises(ConfigError) as caught:
        resolve.run(json.dumps(document), "{}", str(home / "first.csv"))
    assert [problem.where for problem in caught.value.problems] == ["data_contract", "gate"]
    guards = ["data_contract", "gate"]
    resolved = resolve.run(json.dumps(document), "{}", str(home / "first.csv"), guards=guards)
    plain = resolve.run(json.dumps(DOCUMENT), "{}", str(home / "first.csv"))
    assert (resolved.config, resolved.data_config, resolved.fingerprint) == (
        plain.config, plain.data_config, plain.fingerprint,
    )  # fmt: skip


def test_the_command_checks_data_against_a_contract(contract, home, capsys):
    data = write(home / "more.csv", 3)
    assert main(["schema", "check", contract, "--dataset", data]) == 0
    assert "accepted: 200 rows, 3 columns" in capsys.readouterr().out
    drifted = write(home / "worse.csv", 4, shift=3.0, jobs=("pilot",))
    report = str(home / "report.html")
    assert main(["schema", "check", contract, "--dataset", drifted, "--report", report]) == 3
    error = capsys.readouterr().err
    assert all(word in error for word in ("signal: psi", "job: unseen_values", "up: label_shift", "schema accept"))
    assert "Traceback" not in error
    assert "<svg" in Path(report).read_text()


def test_the_command_accepts_and_tells_what_is_new(contract, home, capsys):
    data = write(home / "pilots.csv", 5, jobs=("cook", "pilot"))
    assert main(["schema", "diff", contract, "--dataset", data]) == 0
    told = capsys.readouterr().out
    assert "+ job: categories.pilot:" in told
    path = home / "accepted.yaml"
    path.write_text(Path(contract).read_text())
    assert main(["schema", "accept", "--dataset", data, "-o", str(path)]) == 0
    assert capsys.readouterr().out == told
    assert main(["schema", "check", str(path), "--dataset", data]) == 0
    assert main(["schema", "diff", str(path), str(path)]) == 0


def test_a_folder_of_a_run_is_what_a_contract_is_made_of(first, home, capsys):
    path = str(home / "of_a_run.yaml")
    assert main(["schema", "accept", str(home / "out"), "-o", path]) == 0
    assert main(["schema", "check", path, str(home / "out")]) == 0


@pytest.mark.parametrize(
    "command",
    [
        ["schema"],
        ["schema", "chek", "contract.yaml"],
        ["schema", "check", "contract.yaml"],
        ["schema", "check", "nothing.yaml", "--dataset", "x.csv"],
        ["schema", "accept", "a", "--dataset", "x.csv"],
    ],
    ids=["no action", "unknown action", "no data", "no contract", "data twice"],
)
def test_wrong_use_is_told_with_code_2(command, capsys):
    assert main(command) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_names_and_values_are_escaped_in_the_reports(home, contract):
    data = home / "html.csv"
    data.write_text((home / "first.csv").read_text().replace("cook", "<b>x</b>").replace("job", "<i>job"))
    report = home / "html.html"
    main(["schema", "check", contract, "--dataset", str(data), "--report", str(report)])
    page = report.read_text()
    assert "&lt;i&gt;job" in page
    assert "<i>job" not in page
