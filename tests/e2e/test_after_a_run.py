"""What follows a run on this machine: the model in a registry, a message, whatever way it ended."""

import http.server
import json
import threading

import mlflow
import pytest
import yaml

import servers
from ostinato.errors import DataError, GateError
from ostinato_pipelines.compile import pipeline_text
from ostinato_pipelines.local import run_local

DOCUMENT = {
    "input_features": [{"name": "signal", "type": "number"}],
    "output_features": [{"name": "up", "type": "binary"}],
    "combiner": {"type": "concat", "num_fc_layers": 0},
    "trainer": {"epochs": 1, "refit": False},
}
NOTIFY = {"webhook": True, "when": ["failed", "succeeded"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("after")
    rows = [f"{row % 9},{'yes' if row % 9 > 4 else 'no'}" for row in range(200)]
    (folder / "good.csv").write_text("\n".join(["signal,up", *rows]) + "\n")
    (folder / "bad.csv").write_text("signal,down\n1,2\n")
    return folder


@pytest.fixture
def webhook(monkeypatch):
    """What it got."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/PASSWORD")
    yield got
    server.shutdown()
    server.server_close()


def run(home, document, data="good.csv"):
    return run_local(document, home / data, output_directory=home / "out", store=home / "store")


@pytest.mark.slow
def test_a_run_that_goes_well_ends_in_the_registry_and_with_a_message(home, webhook, tmp_path):
    with servers.mlflow_server(tmp_path) as address:
        registry = {"type": "mlflow", "uri": address, "model": "ups"}
        done = run(home, {**DOCUMENT, "registry": registry, "notify": NOTIFY})
        version = mlflow.MlflowClient(address, address).get_model_version_by_alias("ups", "champion")
        found = mlflow.MlflowClient(address, address).get_run(version.run_id).data.metrics
    names = [step.name for step in done.steps]
    assert names[-2:] == ["register", "notify"]
    assert found == pytest.approx({name: value for name, value in done.metrics.items() if name in found})
    assert "up.roc_auc" in found
    assert webhook == ["*out: succeeded*"]


@pytest.mark.slow
def test_a_run_that_fails_tells_why_and_ends_as_it_would(home, webhook, capsys):
    with pytest.raises(DataError, match="there is no column 'up'") as caught:
        run(home, {**DOCUMENT, "notify": NOTIFY}, "bad.csv")
    assert caught.value.exit_code == 3
    (text,) = webhook
    assert text.startswith("*out: failed*\n")
    assert "there is no column 'up'" in text
    assert "PASSWORD" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_refused_run_leaves_its_reports_and_tells_why(home, webhook):
    gate = {"conditions": [{"metric": "accuracy", "minimum": 1.1}], "resamples": 100}
    with pytest.raises(GateError):
        run(home, {**DOCUMENT, "gate": gate, "notify": NOTIFY})
    assert (home / "out" / "gate.html").exists()
    assert json.loads((home / "out" / "run.json").read_text())["state"] == "refused"
    (text,) = webhook
    assert "accuracy" in text


@pytest.mark.slow
def test_a_webhook_that_is_down_changes_nothing(home, monkeypatch, capsys):
    monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:9/PASSWORD")
    with pytest.raises(DataError, match="there is no column 'up'"):
        run(home, {**DOCUMENT, "notify": NOTIFY}, "bad.csv")
    err = capsys.readouterr().err
    assert "no message by webhook" in err
    assert "PASSWORD" not in err


def test_the_package_names_secrets_and_nothing_travels_with_the_config():
    registry = {"type": "mlflow", "uri": "http://mlflow:5000", "model": "ups", "secret": "mine"}
    text = pipeline_text({**DOCUMENT, "registry": registry, "notify": NOTIFY})
    pipeline, platform = yaml.safe_load_all(text)
    default = pipeline["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"]
    assert "registry" not in default
    assert "notify" not in default
    tasks = pipeline["root"]["dag"]["tasks"]
    assert {task["taskInfo"]["name"] for task in tasks.values()} == {"run", "notify"}
    assert tasks["notify"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    secrets = {
        name: {each["secretNameParameter"]["runtimeValue"]["constant"] for each in pod["secretAsEnv"][:1]}
        for name, pod in executors.items()
        if name in ("exec-register", "exec-notify")
    }
    assert secrets == {"exec-register": {"mine"}, "exec-notify": {"ostinato-notify"}}
    plain = pipeline_text(DOCUMENT)
    assert "register" not in plain
    assert "notify" not in plain
