"""`ostinato submit`, `wait`, `report`, `schedule` against a server that stands in for Kubeflow Pipelines."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubeflow_api import kubeflow
from ostinato_pipelines.cli import main
from ostinato_pipelines.remote.connection import Place, connect
from ostinato_pipelines.remote.submission import start, upload

CONFIG = """
input_features: [{name: width, type: number}]
output_features: [{name: price, type: number}]
"""
DATA = "s3://warehouse/data.csv"
SHA = "0123456789abcdef0123456789abcdef01234567"
BEGUN = {"created_at": "2027-01-01T00:00:00Z"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "KUBECONFIG", "KF_PIPELINES_TOKEN", "KF_PIPELINES_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    with kubeflow() as (state, address):
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", address)
        state.config = str(folder / "config.yaml")
        state.address = address
        yield state


@pytest.fixture
def run(capsys):
    """Runs a command: exit code, standard output, error output; no traceback is ever shown."""

    def call(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def submit(run, world, *flags):
    return run("submit", world.config, "--dataset", DATA, "--git_sha", SHA, *flags)


def test_a_submission_is_a_pipeline_a_version_an_experiment_and_a_run(run, world):
    code, out, err = submit(run, world, "--param", "train_cpu=8", "--param", "seed=7", "--description", "nightly")
    assert code == 0
    (pipeline,), (version,), (experiment,), (started,) = (
        list(things.values()) for things in (world.pipelines, world.versions, world.experiments, world.runs)
    )
    assert pipeline["display_name"] == experiment["display_name"] == "prices"
    assert version["display_name"].startswith("0123456789ab-")
    assert "input_features" in version["package"]
    assert started["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]
    assert started["runtime_config"]["parameters"] == {"dataset": DATA, "train_cpu": "8", "seed": 7}
    assert started["description"] == f"nightly\ncommit {SHA}"
    run_id, link = out.splitlines()
    assert run_id in world.runs
    assert link == f"{world.address}/#/runs/details/{run_id}"
    assert "uploaded" in err


def test_the_same_package_is_uploaded_once_and_run_again(run, world):
    submit(run, world)
    _, _, err = submit(run, world)
    assert "already there" in err
    assert (len(world.versions), len(world.runs)) == (1, 2)
    submit(run, world, "--override", "trainer.epochs=3")
    assert len(world.versions) == 2


def test_a_name_of_a_version_stands_for_one_content(run, world):
    assert submit(run, world, "--version", "v1", "--upload_only")[0] == 0
    code, _, err = submit(run, world, "--version", "v1", "--upload_only", "--override", "trainer.epochs=3")
    assert code == 2
    assert "version 'v1' of the pipeline 'prices': is there with another content" in err
    assert world.runs == {}


def test_four_at_once_make_one_version(world):
    def one(number):
        connection = connect(Place(world.address))
        version = upload(connection, "pipelineInfo: {}", "prices", "v1")
        return start(connection, version, {}, experiment="nightly", name=f"run {number}")

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(one, range(4)))
    assert [len(things) for things in (world.pipelines, world.versions, world.experiments)] == [1, 1, 1]
    assert {run.run_id for run in runs} == set(world.runs)
    assert [run.version.is_new for run in runs].count(True) >= 1


def test_an_upload_whose_answer_is_lost_is_there(run, world):
    world.fail("POST", "upload_version", 502, is_done=True)
    assert submit(run, world)[0] == 0
    assert len(world.versions) == 1


def test_a_run_whose_answer_is_lost_is_not_started_twice(run, world):
    world.fail("POST", "/runs$", 502, is_done=True)
    code, _, err = submit(run, world)
    assert code == 1
    assert "answers 502" in err
    assert len(world.runs) == 1


def test_the_commit_of_ci_names_the_version(run, world, monkeypatch):
    monkeypatch.setenv("GITHUB_SHA", "f" * 40)
    run("submit", world.config, "-d", DATA, "--upload_only")
    assert next(iter(world.versions.values()))["display_name"].startswith("f" * 12)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--param", "train_gpu=1"], 2, "the run form has no 'train_gpu'"),
        (["--param", "seed=many"], 2, "--param seed: found the text 'many'"),
        (["--param", "train_node_selector=[1]"], 2, "an object as JSON"),
        (["--override", "trainer.epoch=3"], 2, "did you mean"),
        (["--package", "nothing.yaml"], 2, "--package is compiled"),
        (["--host", "http://127.0.0.1:9"], 1, "can't be reached"),
        (["--token_file", "nowhere"], 2, "--token_file: there is no file nowhere"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(run, world, flags, code, said):
    found, _, err = submit(run, world, *flags)
    assert (found, said in err) == (code, True), err
    assert (world.pipelines, world.runs) == ({}, {})


def test_a_pipeline_has_the_name_that_compile_gives_it(run, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "prices")
    run("submit", "config.yaml", "--dataset", DATA, "--upload_only")
    run("compile", "config.yaml", "-o", "package.yaml")
    assert [one["display_name"] for one in world.pipelines.values()] == ["prices"]
    assert 'name: "prices"' in (tmp_path / "prices/package.yaml").read_text().replace('"name"', "name")


def test_a_run_needs_data(run, world):
    code, _, err = run("submit", world.config)
    assert code == 2
    assert "--dataset: a run needs data" in err


def test_without_an_address_it_says_how_to_give_one(run, world, monkeypatch):
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    code, _, err = submit(run, world)
    assert code == 2
    assert "no address of Kubeflow Pipelines: --host" in err


def test_who_is_not_let_in_is_told_where_tokens_come_from(run, world, tmp_path):
    world.token = "open-sesame"
    code, _, err = submit(run, world)
    assert code == 1
    assert "answers 401" in err
    assert "--token_file" in err
    (tmp_path / "token").write_text("open-sesame\n")
    code, out, err = submit(run, world, "--token_file", str(tmp_path / "token"))
    assert code == 0
    assert "open-sesame" not in out + err


def test_a_compiled_package_of_anybody_is_submitted(run, world, tmp_path):
    package = str(tmp_path / "package.yaml")
    run("compile", world.config, "-o", package)
    assert run("submit", "--package", package, "-d", DATA, "--pipeline", "mine")[0] == 0
    assert [one["display_name"] for one in world.pipelines.values()] == ["mine"]
    (tmp_path / "other.yaml").write_text("a: 1")
    code, _, err = run("submit", "--package", str(tmp_path / "other.yaml"), "-d", DATA)
    assert code == 2
    assert "is no compiled pipeline" in err


def started(run, world, *looks):
    _, out, _ = submit(run, world)
    run_id = out.splitlines()[0]
    world.plan(run_id, *looks)
    return run_id


def ended(state, *tasks, error=""):
    details = [
        {
            "display_name": name,
            "state": task_state,
            "start_time": "2027-01-01T00:00:00Z",
            "end_time": "2027-01-01T00:01:30Z",
            "error": {"message": message} if message else None,
        }
        for name, task_state, message in tasks
    ]
    return BEGUN | {
        "state": state,
        "finished_at": "2027-01-01T00:05:00Z",
        "error": {"message": error} if error else None,
        "run_details": {"task_details": details},
    }


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("ostinato_pipelines.remote.waiting.time.sleep", lambda seconds: None)


def test_waiting_ends_when_the_run_does(run, world):
    run_id = started(run, world, {"state": "RUNNING"}, ended("SUCCEEDED", ("train", "SUCCEEDED", "")))
    world.fail("GET", f"/runs/{run_id}", 502)
    code, _, err = run("wait", run_id)
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith("run ")][-1].endswith("succeeded")


@pytest.mark.parametrize(
    ("tasks", "code"),
    [
        ([("verdict-on-data", "FAILED", "")], 3),
        ([("verdict-on-model", "FAILED", "main: Error (exit code 5)")], 5),
        ([("resolve", "FAILED", "main: Error (exit code 2)")], 2),
        ([("train", "FAILED", "main: Error (exit code 4)")], 4),
        ([("train", "FAILED", "OOMKilled (exit code 137)")], 1),
        ([], 1),
    ],
)
def test_the_exit_code_is_that_of_the_step_that_failed(run, world, tasks, code):
    run_id = started(run, world, ended("FAILED", *tasks, error="it failed"))
    found, _, err = run("wait", run_id)
    assert found == code
    assert (tasks[0][0] if tasks else "it failed") in err


def test_a_cancelled_run_is_over(run, world):
    run_id = started(run, world, {"state": "CANCELING"}, ended("CANCELED"))
    code, _, err = run("wait", run_id)
    assert code == 4
    assert "was cancelled" in err


def test_a_run_that_takes_too_long_goes_on(run, world):
    run_id = started(run, world, {"state": "RUNNING"})
    code, _, err = run("wait", run_id, "--timeout_s", "0")
    assert code == 4
    assert f"ostinato wait {run_id} waits again" in err


def test_a_run_that_is_not_there_is_said(run, world):
    code, _, err = run("wait", "no-such-run")
    assert code == 1
    assert "answers 404" in err


def test_the_report_of_a_run_is_markdown_that_nothing_breaks_out_of(run, world):
    run_id = started(
        run, world, ended("FAILED", ("train", "SUCCEEDED", ""), ("evaluate", "FAILED", "<img src=x> | @everyone"))
    )
    code, out, _ = run("report", run_id)
    assert code == 0
    assert out.startswith("### ❌ prices ")
    assert "| train | succeeded | 90 |" in out
    assert "<img" not in out
    assert "@everyone" not in out
    assert f"/#/runs/details/{run_id}>)" in out


def test_the_report_of_a_local_run_tells_figures_and_the_decision(run, tmp_path):
    steps = [{"name": "train", "seconds": 1.25, "cached": False}, {"name": "resolve", "seconds": 0, "cached": True}]
    record = {"state": "refused", "exit_code": 5, "problems": [], "steps": steps, "metrics": {"price.r2": 0.5}}
    decision = {
        "verdict": "refused",
        "rows": 1234,
        "reasons": ["price.r2 fell"],
        "notes": [],
        "comparisons": [{"output": "price", "metric": "r2", "champion": 0.9, "challenger": 0.5}],
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "gate.json").write_text(json.dumps(decision))
    code, out, _ = run("report", str(tmp_path), "-o", str(tmp_path / "report.md"))
    assert (code, out) == (0, "")
    text = (tmp_path / "report.md").read_text()
    for line in (
        "**Gate: refused**, on 1,234 test rows",
        "- price.r2 fell",
        "| price.r2 | 0.9000 | 0.5000 |",
        "| price.r2 | 0.5000 |",
        "| train | 1.2 |",
        "| resolve | cached |",
    ):
        assert line in text, text
    (tmp_path / "run.json").unlink()
    assert run("report", str(tmp_path))[0] == 2


def schedule(run, world, *flags):
    return run("schedule", world.config, "--dataset", DATA, "--git_sha", SHA, "--cron", "30 2 * * *", *flags)


def test_a_schedule_is_made_kept_and_changed(run, world):
    code, _, err = schedule(run, world, "--start", "2027-01-31T00:00:00Z", "--max_concurrency", "2")
    assert code == 0
    assert "made, 0 30 2 * * * UTC" in err
    (made,) = world.schedules.values()
    assert made["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * *"
    assert made["no_catchup"] is True
    assert str(made["max_concurrency"]) == "2"
    assert "kept" in schedule(run, world, "--start", "2027-01-31T00:00:00Z", "--max_concurrency", "2")[2]
    assert "changed" in schedule(run, world, "--catch_up")[2]
    (changed,) = world.schedules.values()
    assert changed["no_catchup"] is False


def test_schedules_are_listed_paused_and_deleted(run, world):
    schedule(run, world)
    assert run("schedule", "--list")[1] == "prices  enabled  0 30 2 * * *  at most 1 at once\n"
    assert run("schedule", "--pause", "prices")[0] == 0
    assert "disabled" in run("schedule", "--list")[1]
    assert run("schedule", "--resume", "prices")[0] == 0
    code, _, err = run("schedule", "--delete", "price")
    assert code == 2
    assert "did you mean 'prices'" in err
    assert run("schedule", "--delete", "prices")[0] == 0
    assert run("schedule", "--list")[1] == "there is none\n"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cron", "at night"], "five fields as crontab has"),
        (["--start", "tomorrow"], "a moment with its time zone"),
        (["--end", "2027-01-31T00:00:00"], "a moment with its time zone"),
        (["--max_concurrency", "0"], "1 to 10"),
    ],
)
def test_a_schedule_that_kubeflow_would_refuse_is_refused_here(run, world, flags, said):
    code, _, err = schedule(run, world, *flags)
    assert code == 2
    assert said in err
    assert world.pipelines == {}
