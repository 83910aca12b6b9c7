"""The step `register` with a real server of MLflow, and a server that stands in for Kubeflow Model Registry."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import mlflow
import pandas as pd
import pyarrow as pa
import pytest
import requests

import servers
from ostinato.errors import ConfigError, DataError, OstinatoError
from ostinato.load import load_config
from ostinato.predictor import Predictor
from ostinato_components import export, preprocess, register, train

DOCUMENT = {
    "input_features": [{"name": "signal", "type": "number"}, {"name": "job", "type": "category"}],
    "output_features": [{"name": "up", "type": "binary"}],
    "combiner": {"type": "concat", "num_fc_layers": 0},
    "trainer": {"epochs": 1, "refit": False},
}
FRAME = pd.DataFrame(
    {"signal": [float(row % 7) for row in range(90)], "job": ["cook", "clerk", "diver"] * 30, "up": ["yes", "no"] * 45}
)
METRICS = {"up.accuracy": 0.75, "up.roc_auc": float("nan")}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    config = load_config(DOCUMENT).config
    preprocess.run(pa.Table.from_pandas(FRAME), config, str(folder / "data"))
    for seed in (1, 2):
        train.run(str(folder / "data"), config, str(folder / f"model{seed}"), seed=seed)
        export.run(str(folder / f"model{seed}"), str(folder / "data"), str(folder / f"bundle{seed}"))
    return [str(folder / f"bundle{seed}") for seed in (1, 2)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with servers.mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


def section(**fields):
    config = load_config({**DOCUMENT, "registry": {"model": "prices", **fields}}).config
    return json.dumps(config.registry.model_dump(mode="json"))


@pytest.fixture
def client(server):
    return mlflow.MlflowClient(server, server)


@pytest.mark.slow
def test_a_model_is_entered_once_and_the_alias_points_to_the_last_one(server, client, bundles):
    text = section(type="mlflow", uri=server)
    first = register.run(text, bundles[0], "minio://bucket/bundle", METRICS, run_id="r-1")
    assert register.run(text, bundles[0], "minio://bucket/bundle", METRICS, run_id="r-2") == first
    second = register.run(text, bundles[1], "minio://bucket/other", METRICS, run_id="r-3")
    assert second != first
    assert len(client.search_model_versions("name='prices'")) == 2
    champion = client.get_model_version_by_alias("prices", "champion")
    assert champion.version == second
    run = client.get_run(champion.run_id)
    assert run.data.metrics == {"up.accuracy": 0.75}
    assert run.data.params["trainer.epochs"] == "1"
    assert run.data.params["input_features.signal.type"] == "number"
    assert champion.tags["ostinato.uri"] == "minio://bucket/other"
    assert champion.tags["ostinato.run"] == "r-3"


@pytest.mark.slow
def test_what_is_loaded_from_the_registry_predicts_as_the_bundle_does(server, bundles):
    register.run(section(type="mlflow", uri=server, model="loaded", alias="best"), bundles[0], "", {})
    mlflow.set_tracking_uri(server)
    mlflow.set_registry_uri(server)
    try:
        model = mlflow.pyfunc.load_model("models:/loaded@best")
        rows = FRAME.drop(columns="up").head(5)
        found = model.predict(rows)
        with pytest.raises(mlflow.exceptions.MlflowException, match="job"):
            model.predict(rows.drop(columns="job"))
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    wanted = Predictor.load(bundles[0], "onnx").predict(pa.Table.from_pandas(rows, preserve_index=False)).to_pandas()
    pd.testing.assert_frame_equal(found, wanted)
    assert {spec.name: str(spec.type) for spec in model.metadata.get_input_schema()} == {
        "signal": "DataType.double",
        "job": "DataType.string",
    }


@pytest.mark.slow
def test_two_at_once_leave_a_registry_that_is_whole(server, client, bundles):
    program = "import sys; from ostinato_components import register; print(register.run(*sys.argv[1:4], {}))"
    text = section(type="mlflow", uri=server, model="twice")
    running = [
        subprocess.Popen([sys.executable, "-c", program, text, bundle, ""], stdout=subprocess.PIPE, text=True)
        for bundle in bundles
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    versions = {lines.split()[-1] for lines in said}
    assert versions == {"1", "2"}
    assert client.get_model_version_by_alias("twice", "champion").version in versions


class Registry:
    """As much of the REST API of Kubeflow Model Registry (v1) as its client uses here."""

    def __init__(self):
        self.models, self.versions, self.artifacts = {}, {}, {}
        self.token = ""
        self.seen = []

    def answer(self, method, path, query, body):
        parts = path.split("/v1/")[-1].split("/")
        match method, parts:
            case "GET", ["registered_model"]:
                return self._one(self.models, name=query.get("name"))
            case "GET", ["registered_models"]:
                return 200, {"items": [], "size": 0, "pageSize": 1, "nextPageToken": ""}
            case "POST", ["registered_models"]:
                return self._new(self.models, body)
            case "GET", ["model_version"]:
                return self._one(self.versions, name=query.get("name"), registeredModelId=query.get("parentResourceId"))
            case "POST", ["model_versions"]:
                return self._new(self.versions, body)
            case "POST", ["model_versions", version, "artifacts"]:
                return self._new(self.artifacts, body | {"version": version})
            case "PATCH", [kind, identity]:
                things = {"registered_models": self.models, "model_versions": self.versions}[kind]
                things[identity] |= body
                return 200, things[identity]
        return 404, {"code": "", "message": "not found"}

    def _one(self, things, **wanted):
        found = [one for one in things.values() if all(one.get(key) == value for key, value in wanted.items())]
        return (200, found[0]) if found else (404, {"code": "", "message": "not found"})

    def _new(self, things, body):
        identity = str(len(things) + 1)
        things[identity] = body | {"id": identity}
        return 201, things[identity]


@pytest.fixture
def registry():
    state = Registry()

    class Handler(BaseHTTPRequestHandler):
        def work(self):
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            state.seen.append((self.command, self.path))
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                status, content = 401, {"code": "", "message": "who are you?"}
            else:
                status, content = state.answer(self.command, url.path, query, json.loads(raw or b"{}"))
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = work

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_kubeflow_learns_where_the_bundle_lies(registry, bundles):
    state, address = registry
    state.token = "open-sesame"
    text = section(type="kubeflow", uri=address)
    keys = {"MODEL_REGISTRY_TOKEN": "open-sesame"}
    version = register.run(text, bundles[0], "minio://bucket/bundle", METRICS, run_id="r-1", environment=keys)
    assert register.run(text, bundles[0], "minio://bucket/bundle", METRICS, environment=keys) == version
    (model,), (made,), (artifact,) = state.models.values(), state.versions.values(), state.artifacts.values()
    assert (model["name"], made["name"]) == ("prices", version)
    assert artifact["uri"] == "minio://bucket/bundle"
    assert artifact["modelFormatName"] == "ostinato-bundle"
    assert made["customProperties"]["up.accuracy"]["double_value"] == 0.75
    assert made["customProperties"]["ostinato.run"]["string_value"] == "r-1"


@pytest.mark.parametrize("kind", ["mlflow", "kubeflow"])
def test_a_registry_that_is_down_is_an_error_that_names_it(kind, bundles, monkeypatch):
    monkeypatch.setattr(requests.adapters, "DEFAULT_RETRIES", 0)
    monkeypatch.setattr("ostinato_components.register.mlflow._QUICK", {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    with pytest.raises(OstinatoError, match=r"127\.0\.0\.1:9") as caught:
        register.run(section(type=kind, uri="http://127.0.0.1:9"), bundles[0], "", {})
    assert caught.value.exit_code == 1


def test_who_is_not_let_in_is_told_so(registry, bundles):
    state, address = registry
    state.token = "open-sesame"
    with pytest.raises(OstinatoError, match="Kubeflow Model Registry"):
        register.run(section(type="kubeflow", uri=address), bundles[0], "", {}, environment={})


def test_what_is_no_bundle_is_not_registered(tmp_path):
    with pytest.raises(DataError, match="is no bundle"):
        register.run(section(type="mlflow", uri="http://127.0.0.1:9"), str(tmp_path), "", {})


@pytest.mark.parametrize("uri", ["http://name:password@host", "mlflow:5000", "file:///mlruns"])
def test_an_address_is_of_the_web_and_holds_no_password(uri):
    with pytest.raises(ConfigError, match=r"registry\.uri"):
        section(type="mlflow", uri=uri)
