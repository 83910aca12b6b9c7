"""Starting, watching and ending a TrainJob, on a server that speaks the Kubernetes API; nodes are small programs."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kubeflow.common.types import KubernetesBackendConfig

import kubernetes_api
from ostinato.artifacts import MANIFEST
from ostinato.errors import ConfigError, DataError, Interrupted, OstinatoError
from ostinato.load import load_config
from ostinato_components import train_nodes
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train.job import Job
from ostinato_components.train_nodes import cluster, step
from ostinato_components.train_nodes.nodes import Placement

STORE = "s3://warehouse/ostinato"
DOCUMENT = {
    "input_features": [{"name": "a", "type": "number"}],
    "output_features": [{"name": "y", "type": "number"}],
    "backend": {"storage": STORE, "trainer": {"num_nodes": 2, "max_retries": 1}},
}
CONFIG = load_config(DOCUMENT).config
PRELUDE = f"""#!{sys.executable}
import json, os, signal, sys, time, urllib.error, urllib.request

def request(method, uri, content=None):
    address = os.environ["AWS_ENDPOINT_URL_S3"] + "/" + uri.removeprefix("s3://")
    scope = os.environ["AWS_ACCESS_KEY_ID"] + "/20260101/us-east-1/s3/aws4_request"
    key = f"AWS4-HMAC-SHA256 Credential={{scope}}, SignedHeaders=host, Signature=0"
    headers = {{"Authorization": key, "Content-Type": "application/octet-stream"}}
    sent = urllib.request.Request(address, content, headers, method=method)
    with urllib.request.urlopen(sent) as answer:
        return answer.read()

def read(uri):
    return request("GET", uri)

def write(uri, content):
    request("PUT", uri, content)

def exists(uri):
    try:
        return request("HEAD", uri) is not None
    except urllib.error.HTTPError:
        return False

job_uri, errors = sys.argv[-2:]
job = json.loads(read(job_uri))
rank = int(os.environ["PET_NODE_RANK"])

def write_model(text="weights"):
    write(job["learning_curves_path"], b"curves")
    write(job["model_folder"] + "/model_weights.safetensors", text.encode())

def write_checkpoint(name):
    write(job["checkpoints"] + "/key/" + name, b"state")

def tries(name):
    "How often this was called for the name, over all nodes that ever were."
    uri = f"{STORE}/tries/{{name}}"
    count = 1 + (int(read(uri)) if exists(uri) else 0)
    write(uri, str(count).encode())
    return count

"""
GOOD = """
print("rank", rank, "trains", flush=True)
if rank == 0:
    write_model()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(step, "_POLL_S", 0.1)
    monkeypatch.setattr(cluster, "_RETRY_S", 0.1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "data"
    preprocess({"a": list(range(100)), "y": list(range(100))}, CONFIG, str(folder))
    return str(folder)


@pytest.fixture
def kubernetes(tmp_path, s3, monkeypatch):
    """A cluster whose step gets its keys from a Secret."""
    with kubernetes_api.cluster(tmp_path) as found:
        found.secrets["s3"] = {"id": "test", "secret": "test"}
        names = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
        env = [{"name": name, "valueFrom": {"secretKeyRef": {"name": "s3", "key": key}}} for name, key in names.items()]
        found.pods["launcher"] = {
            "metadata": {"name": "launcher", "labels": {"pipeline/runid": "run-1"}},
            "spec": {"containers": [{"name": "main", "env": env}]},
        }
        monkeypatch.setenv("KFP_POD_NAME", "launcher")
        yield found


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "ostinato")
    logging.getLogger("ostinato").propagate = True
    return caplog


def put_image(kubernetes, body):
    """The image `train:1`, whose `torchrun` does this."""
    folder = kubernetes.folder / "image"
    folder.mkdir(exist_ok=True)
    (folder / "torchrun").write_text(PRELUDE + body)
    (folder / "torchrun").chmod(0o755)
    kubernetes.images["train:1"] = folder


def launch(kubernetes, data, config=CONFIG, **options):
    nodes = cluster.Cluster(
        KubernetesBackendConfig(config_file=kubernetes.kubeconfig, namespace=kubernetes_api.NAMESPACE)
    )
    out = kubernetes.folder / "out"
    train_nodes.run(data, config, str(out / "model"), str(out / "curves.html"), image="train:1", nodes=nodes, **options)
    return out


def launcher(kubernetes, data) -> "subprocess.Popen[str]":
    """The step in a process of its own, as in a pod."""
    program = f"""
import json, sys
from ostinato.load import from_json
from ostinato_components.task import task
from ostinato_components.train_nodes import run
with task():
    run({data!r}, from_json({json.dumps(DOCUMENT)!r}), "out/model", "out/curves.html", image="train:1")
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=kubernetes.folder,
        env={**os.environ, "KUBECONFIG": kubernetes.kubeconfig},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(what, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_model_comes_back_whole_and_nothing_else_is_left(kubernetes, data, s3, log):
    put_image(kubernetes, GOOD)
    out = launch(kubernetes, data)
    assert (out / "model" / "model_weights.safetensors").read_text() == "weights"
    assert (out / "curves.html").read_text() == "curves"
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    assert len(kubernetes.created) == 1
    assert kubernetes.deleted == [kubernetes.created[0]["metadata"]["name"]]
    assert s3.find("warehouse") == []


def test_what_the_nodes_print_comes_out_once_though_the_connection_breaks(kubernetes, data, log):
    kubernetes.lines_before_cut = 3
    put_image(kubernetes, "for n in range(10):\n    print('line', n, flush=True)\n    time.sleep(0.05)\n" + GOOD)
    launch(kubernetes, data)
    for node in (0, 1):
        found = [text for text in log.messages if text.startswith(f"[node {node}] line")]
        assert found == [f"[node {node}] line {number}" for number in range(10)]


def test_the_nodes_read_the_data_and_the_job_by_uri(kubernetes, data, s3):
    put_image(
        kubernetes,
        "from ostinato.dataset import DataFolder\n"
        "rows = len(DataFolder(job['data_folder']).read('training')['a'])\n"
        "write_model(json.dumps({**job, 'rows': rows}))\n",
    )
    out = launch(kubernetes, data, seed=7)
    found = json.loads((out / "model" / "model_weights.safetensors").read_text())
    assert found.pop("rows") == 70
    job = Job.model_validate(found)
    assert job.seed == 7
    assert job.checkpoints == f"{STORE}/checkpoints"
    assert job.model_folder.startswith(f"{STORE}/jobs/ostinato-")
    assert load_config(json.loads(job.config)).config == CONFIG


def test_the_object_that_is_sent_has_the_keys_by_reference_and_the_placement(kubernetes, data):
    put_image(kubernetes, GOOD)
    placement = Placement(resources={"limits": {"cpu": "4", "nvidia.com/gpu": "2"}}, node_selector={"pool": "gpu"})
    launch(kubernetes, data, placement=placement)
    (job,) = kubernetes.created
    env = {entry["name"]: entry for entry in job["spec"]["trainer"]["env"]}
    assert env["AWS_SECRET_ACCESS_KEY"]["valueFrom"] == {"secretKeyRef": {"name": "s3", "key": "secret"}}
    assert job["spec"]["trainer"]["numProcPerNode"] == 2
    assert job["spec"]["trainer"]["resourcesPerNode"] == {"limits": {"cpu": "4", "nvidia.com/gpu": "2"}}
    assert '"nodeSelector": {"pool": "gpu"}' in json.dumps(job)


def test_the_rights_in_the_documents_are_needed_and_suffice(kubernetes, data):
    put_image(kubernetes, GOOD)
    launch(kubernetes, data)
    allowed = {
        (verb, group, resource)
        for rule in kubernetes.rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert set(kubernetes.requests) == allowed


def test_without_rights_the_error_names_the_document(kubernetes, data):
    kubernetes.rules = [rule for rule in kubernetes.rules if "trainjobs" not in rule["resources"]]
    put_image(kubernetes, GOOD)
    with pytest.raises(OstinatoError, match=r"Role of docs/distributed\.md"):
        launch(kubernetes, data)


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (DataError, 3)])
def test_an_error_of_the_user_on_a_node_is_that_of_the_step_and_not_tried_again(kubernetes, data, error, code):
    told = json.dumps({"exit_code": code, "problems": [["x.csv", "is wrong", "right", "mend it"]]})
    put_image(
        kubernetes,
        f"if rank == 1:\n    write(errors + '/1.json', {told!r}.encode())\n    sys.exit({code})\ntime.sleep(60)\n",
    )
    with pytest.raises(error, match=r"x\.csv: is wrong") as caught:
        launch(kubernetes, data)
    assert caught.value.exit_code == code
    assert len(kubernetes.created) == 1
    assert len(kubernetes.deleted) == 1


def test_nodes_that_crash_are_started_again_and_the_second_time_is_good(kubernetes, data, log):
    put_image(kubernetes, "if rank == 1 and tries('crash') == 1:\n    os.kill(os.getpid(), 9)\n" + GOOD)
    out = launch(kubernetes, data)
    assert (out / "model" / "model_weights.safetensors").exists()
    assert len(kubernetes.created) == len(kubernetes.deleted) == 2
    assert "node 1: OOMKilled (exit code 137); starting again from the last checkpoint (1 of 1)" in log.text


def test_too_many_crashes_in_a_row_are_an_error_that_says_how_a_node_ended(kubernetes, data):
    put_image(kubernetes, "sys.exit(7)\n")
    with pytest.raises(OstinatoError, match=r"2 times in a row without a new checkpoint; at last node .*exit code 7"):
        launch(kubernetes, data)
    assert len(kubernetes.created) == len(kubernetes.deleted) == 2


def test_crashes_with_a_new_checkpoint_between_them_are_not_in_a_row(kubernetes, data):
    put_image(
        kubernetes,
        "if rank == 0:\n    n = tries('crash')\n    if n < 4:\n        write_checkpoint(f'{n}')\n        sys.exit(1)\n"
        + GOOD,
    )
    launch(kubernetes, data)
    assert len(kubernetes.created) == 4


def test_a_second_try_of_the_step_goes_on_with_the_nodes_of_the_first(kubernetes, data, s3, log):
    put_image(kubernetes, "while not exists(f'" + STORE + "/go'):\n    time.sleep(0.2)\n" + GOOD)
    first = launcher(kubernetes, data)
    wait_for(lambda: kubernetes.nodes)
    first.kill()
    first.communicate()
    assert len(kubernetes.jobs) == 1
    s3.pipe_file("warehouse/ostinato/go", b"")
    out = launch(kubernetes, data)
    assert (out / "model" / "model_weights.safetensors").exists()
    assert len(kubernetes.created) == 1
    assert "is there already, from an earlier try of this step" in log.text


def test_another_run_has_a_job_of_its_own(kubernetes, data):
    put_image(kubernetes, GOOD)
    launch(kubernetes, data)
    kubernetes.pods["launcher"]["metadata"]["labels"]["pipeline/runid"] = "run-2"
    launch(kubernetes, data)
    assert len({job["metadata"]["name"] for job in kubernetes.created}) == 2


def test_a_step_that_is_told_to_end_lets_the_nodes_write_a_checkpoint_and_deletes_the_job(kubernetes, data, s3):
    put_image(
        kubernetes,
        """
def save(number, frame):
    time.sleep(1)
    write_checkpoint(f"{rank}")
    sys.exit(4)

signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
""",
    )
    told = launcher(kubernetes, data)
    wait_for(lambda: len([1 for pod in kubernetes.nodes.values() if pod.lines]) == 2)
    told.send_signal(signal.SIGTERM)
    output, _ = told.communicate(timeout=90)
    assert told.returncode == 4, output
    assert "Traceback" not in output
    assert "it goes on from the last checkpoint" in output
    assert kubernetes.jobs == {}
    assert kubernetes.nodes == {}
    checkpoints = [name.rpartition("/")[2] for name in s3.find("warehouse/ostinato/checkpoints")]
    assert checkpoints == ["0", "1"]


def test_a_job_that_somebody_deleted_is_an_interruption(kubernetes, data):
    put_image(kubernetes, "if rank == 0:\n    write_checkpoint('0')\ntime.sleep(60)\n")
    end = launcher(kubernetes, data)
    wait_for(lambda: any(pod.lines or pod.process.poll() is None for pod in kubernetes.nodes.values()))
    wait_for(lambda: bool(kubernetes.created))
    kubernetes.delete(kubernetes.created[0]["metadata"]["name"])
    output, _ = end.communicate(timeout=90)
    assert end.returncode == Interrupted.exit_code, output
    assert "somebody deleted TrainJob" in output


def test_an_api_server_that_is_away_for_a_while_is_waited_for(kubernetes, data):
    put_image(kubernetes, GOOD)
    kubernetes.outage = 7
    launch(kubernetes, data)
    assert len(kubernetes.created) == 1


def test_what_keeps_nodes_from_starting_is_told_once(kubernetes, data, log):
    kubernetes.trouble = {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes have nvidia.com/gpu"}]
    }
    put_image(kubernetes, GOOD)
    end = launcher(kubernetes, data)
    wait_for(lambda: kubernetes.requests.count(("list", "", "pods")) > 4)
    end.send_signal(signal.SIGTERM)
    output, _ = end.communicate(timeout=90)
    assert output.count("node 0: waits for a machine: 0/3 nodes have nvidia.com/gpu") == 1


def test_an_unknown_runtime_is_an_error_of_the_config(kubernetes, data):
    kubernetes.runtimes.clear()
    with pytest.raises(ConfigError, match="no training runtime 'torch-distributed'"):
        launch(kubernetes, data)
    assert kubernetes.created == []


def test_keys_by_value_start_nothing(kubernetes, data):
    kubernetes.pods["launcher"]["spec"] = {"containers": [{"name": "main"}]}
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        launch(kubernetes, data)
    assert kubernetes.created == []


def test_nodes_that_leave_no_model_are_an_error(kubernetes, data):
    put_image(kubernetes, "pass\n")
    with pytest.raises(OstinatoError, match="ended well and left no model_weights"):
        launch(kubernetes, data)
    assert len(kubernetes.deleted) == 1


@pytest.mark.parametrize("storage", [None, "/mnt/here"])
def test_several_nodes_without_a_storage_that_all_see_are_an_error_of_the_config(data, storage):
    document = {**DOCUMENT, "backend": {"storage": storage, "trainer": {"num_nodes": 2}}}
    with pytest.raises(ConfigError, match=r"backend\.storage: .*2 nodes need one that all of them see"):
        load_config(document)
    alone = load_config({**document, "backend": {"storage": storage}}).config
    with pytest.raises(ConfigError, match="several nodes need one that all see"):
        train_nodes.run(data, alone, "model", "curves.html", image="train:1")


def test_shards_that_lie_in_the_storage_already_stay_there(kubernetes, data, s3, tmp_path):
    """Only the manifest and what lies beside it is handed over."""
    manifest = json.loads(Path(data, MANIFEST).read_text())
    moved = tmp_path / "data"
    moved.mkdir()
    for shards in manifest["splits"].values():
        for shard in shards:
            s3.put(str(Path(data, shard["path"])), f"warehouse/rows/{shard['path']}")
            shard["path"] = f"s3://warehouse/rows/{shard['path']}"
    for path in Path(data).glob("*.json"):
        (moved / path.name).write_bytes(path.read_bytes())
    (moved / MANIFEST).write_text(json.dumps(manifest))
    put_image(
        kubernetes,
        "from ostinato.dataset import DataFolder\n"
        "from ostinato import storage\n"
        "names = sorted(storage.filesystem(job['data_folder'])[0].find(job['data_folder']))\n"
        "write_model(json.dumps([len(DataFolder(job['data_folder']).read('training')['a']), *names]))\n",
    )
    out = launch(kubernetes, str(moved))
    rows, *names = json.loads((out / "model" / "model_weights.safetensors").read_text())
    assert rows == 70
    assert not any(name.endswith(".parquet") for name in names)


def test_the_process_that_waits_needs_no_cluster_to_say_that_there_is_none(data, monkeypatch, tmp_path):
    program = f"""
from ostinato.load import from_json
from ostinato_components.task import task
from ostinato_components.train_nodes import run
with task():
    run({data!r}, from_json({json.dumps(DOCUMENT)!r}), "out/model", "out/curves.html", image="train:1")
"""
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "nothing")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "there is no cluster to talk to" in done.stderr
    assert "Traceback" not in done.stderr
