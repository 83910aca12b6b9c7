"""The jobs of examples/retraining: each script is run as the host would run it, against a server for Kubeflow."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from kubeflow_api import kubeflow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/retraining"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def backend():
    with kubeflow() as (state, address):
        state.address = address
        yield state


def environment(backend, checkout, **own):
    """What the host gives to a job: PATH with this `ostinato`, variables, secrets."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(checkout),
        "KF_PIPELINES_ENDPOINT": backend.address,
        "KF_PIPELINES_TOKEN": "open-sesame",
        "DATASET": "s3://warehouse/penguins.csv",
        **own,
    }


def bash(script, checkout, variables):
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=checkout, env=variables, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def finish(backend, state, *tasks):
    """How every run of the server will be found."""
    details = [{"display_name": name, "state": of, "start_time": "2027-01-01T00:00:00Z"} for name, of in tasks]
    look = {"state": state, "created_at": "2027-01-01T00:00:00Z", "run_details": {"task_details": details}}
    backend.plans = {"": [look]}
    original = backend.handle

    def handle(method, path, query, body):
        status, answer = original(method, path, query, body)
        return (status, answer | look) if method == "GET" and re.search("/runs/.+", path) else (status, answer)

    backend.handle = handle


def steps(name):
    (job,) = yaml.safe_load((EXAMPLE / ".github/workflows/retrain.yaml").read_text())["jobs"].values()
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}[name]


@pytest.mark.slow
def test_the_job_of_github_submits_waits_and_reports(backend, checkout):
    output, summary = checkout / "output", checkout / "summary"
    github = {"GITHUB_SHA": SHA, "GITHUB_EVENT_NAME": "schedule", "GITHUB_REF_NAME": "main"}
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    variables = environment(backend, checkout, **github, **files)
    for name in ("Check", "Submit"):
        done = bash(steps(name), checkout, variables)
        assert done.returncode == 0, done.stderr
    (run,) = backend.runs.values()
    assert run["description"] == f"schedule main\ncommit {SHA}"
    assert run["runtime_config"]["parameters"] == {"dataset": "s3://warehouse/penguins.csv"}
    variables["RUN_ID"] = output.read_text().removeprefix("run_id=").strip()
    assert variables["RUN_ID"] == run["run_id"]
    finish(backend, "FAILED", ("verdict-on-model", "FAILED"))
    done = bash(steps("Wait"), checkout, variables)
    assert done.returncode == 5, done.stderr
    assert "open-sesame" not in done.stdout + done.stderr
    done = bash(steps("Report"), checkout, variables)
    assert done.returncode == 0, done.stderr
    assert "| verdict\\-on\\-model | failed |" in summary.read_text()


@pytest.mark.slow
def test_the_job_of_gitlab_submits_waits_and_reports(backend, checkout):
    job = yaml.safe_load((EXAMPLE / ".gitlab-ci.yml").read_text())["retrain"]
    variables = environment(
        backend, checkout, CI_COMMIT_SHA=SHA, CI_PIPELINE_SOURCE="schedule", CI_COMMIT_REF_NAME="main"
    )
    finish(backend, "SUCCEEDED", ("train", "SUCCEEDED"))
    done = bash("\n".join(job["script"]), checkout, variables)
    assert done.returncode == 0, done.stderr
    assert len(backend.runs) == 1
    done = bash("\n".join(job["after_script"]), checkout, variables)
    assert done.returncode == 0, done.stderr
    assert (checkout / job["artifacts"]["paths"][0]).read_text().startswith("### ✅ ")


def test_the_jobs_install_what_there_is():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for text in ((EXAMPLE / ".github/workflows/retrain.yaml").read_text(), (EXAMPLE / ".gitlab-ci.yml").read_text()):
        (wanted,) = re.findall(r'pip install "ostinato\[([\w,]+)\]"', text)
        assert set(wanted.split(",")) <= set(extras)


def test_no_script_of_github_takes_text_of_others_into_the_shell():
    """`${{ … }}` in a script is a way in for whoever names a branch."""
    (job,) = yaml.safe_load((EXAMPLE / ".github/workflows/retrain.yaml").read_text())["jobs"].values()
    assert not [step for step in job["steps"] if "${{" in step.get("run", "")]
