"""A cluster for tests: the part of the Kubernetes API that TrainJobs need, and nodes that are processes here.

It is a server that the SDK talks to. A TrainJob starts its command once for each node, with the variables that Kubeflow
Trainer sets; an image is a folder of programs. What the service account may do is what docs/distributed.md says.
"""

import contextlib
import datetime
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubeflow_trainer_api import models

import servers

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "team"
RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "ClusterTrainingRuntime",
    "metadata": {"name": "torch-distributed", "labels": {"trainer.kubeflow.org/framework": "torch"}},
    "spec": {
        "mlPolicy": {"numNodes": 1, "torch": {}},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {
                            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                            "spec": {"template": {"spec": {"containers": [{"name": "node", "image": "torch:1"}]}}},
                        },
                    }
                ]
            }
        },
    },
}
"""As Kubeflow Trainer installs it."""
RESERVED = {"PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"}


def now() -> str:
    """With nine digits, as the log of a container has it."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def role_rules() -> list[dict[str, list[str]]]:
    """What the documents tell an administrator to allow."""
    text = (ROOT / "docs/distributed.md").read_text(encoding="utf-8")
    objects = [
        found for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) for found in yaml.safe_load_all(block)
    ]
    return [rule for found in objects if found.get("kind") in ("Role", "ClusterRole") for rule in found["rules"]]


@dataclass
class Pod:
    """A node: a process, and what it prints."""

    name: str
    job: str
    index: int
    container: dict[str, Any]
    process: "subprocess.Popen[str]"
    lines: list[tuple[str, str]] = field(default_factory=list)
    created: str = field(default_factory=now)

    def read(self) -> None:
        """Until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((now(), line.rstrip("\n")))
        self.process.wait()

    def to_json(self) -> dict[str, Any]:
        code = self.process.poll()
        exit_code = 128 - code if code is not None and code < 0 else code
        reason = "Completed" if not exit_code else "OOMKilled" if exit_code == 137 else "Error"
        state = {"running": {}} if code is None else {"terminated": {"exitCode": exit_code, "reason": reason}}
        status = {"name": "node", "state": state, "ready": code is None, "restartCount": 0, "image": "", "imageID": ""}
        return {
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "creationTimestamp": self.created,
                "labels": {
                    "jobset.sigs.k8s.io/jobset-name": self.job,
                    "jobset.sigs.k8s.io/replicatedjob-name": "node",
                    "batch.kubernetes.io/job-completion-index": str(self.index),
                },
            },
            "spec": {"containers": [self.container]},
            "status": {
                "phase": "Running" if code is None else "Failed" if code else "Succeeded",
                "containerStatuses": [status],
            },
        }


class Kubernetes:
    """The state of the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, Path] = {"train:1": Path(sys.executable).parent}
        """Name -> the folder of its programs."""
        self.secrets: dict[str, dict[str, str]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        """Pods that are not of a TrainJob."""
        self.quotas: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, dict[str, Any]] = {}
        self.runtimes = {"torch-distributed": RUNTIME}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []
        """Every TrainJob that there ever was, as it was sent."""
        self.deleted: list[str] = []
        self.requests: list[tuple[str, str, str]] = []
        """Verb, API group, resource."""
        self.outage: int = 0
        """So many requests to come are answered with 503."""
        self.trouble: dict[str, Any] = {}
        """Status of the nodes' pods instead of their own: they do not start."""
        self.lines_before_cut = 0
        """After so many lines the connection that reads a log ends; 0 for never."""
        self.rules = role_rules()
        self.nodes: dict[str, Pod] = {}
        self.port = servers.free_port()

    @property
    def kubeconfig(self) -> str:
        """The path of a file that names this cluster."""
        path = self.folder / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
                    "users": [{"name": "u", "user": {"token": "token"}}],
                }
            )
        )
        return str(path)

    def may(self, verb: str, group: str, resource: str) -> bool:
        return any(
            verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"]
            for rule in self.rules
        )

    def create(self, job: dict[str, Any]) -> None:
        """What the controllers of Trainer, JobSet and Job do."""
        name, trainer = job["metadata"]["name"], job["spec"]["trainer"]
        models.TrainerV1alpha1TrainJob.from_dict(job)
        assert not RESERVED & {entry["name"] for entry in trainer["env"]}, "Trainer's webhook refuses these"
        port = servers.free_port()
        container = {"name": "node", "image": trainer["image"], "resources": trainer.get("resourcesPerNode", {})}
        for index in range(0 if self.trouble else trainer["numNodes"]):
            pet = {
                "PET_NNODES": str(trainer["numNodes"]),
                "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
                "PET_NODE_RANK": str(index),
                "PET_MASTER_ADDR": "127.0.0.1",
                "PET_MASTER_PORT": str(port),
            }
            process = subprocess.Popen(
                [str(self.images[trainer["image"]] / trainer["command"][0]), *trainer["command"][1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.outside() | pet | {entry["name"]: self.value(entry) for entry in trainer["env"]},
                start_new_session=True,
            )
            pod = Pod(f"{name}-node-0-{index}-{len(self.created)}", name, index, container, process)
            self.nodes[pod.name] = pod
            threading.Thread(target=pod.read, daemon=True).start()
        self.created.append(job)
        self.jobs[name] = json.loads(json.dumps(job))
        self.jobs[name]["metadata"] |= {"namespace": NAMESPACE, "creationTimestamp": now()}
        threading.Thread(target=self.control, args=(name, self.of(name)), daemon=True).start()

    def outside(self) -> dict[str, str]:
        """The variables of this process that lead neither to the storage nor to the cluster."""
        return {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "FSSPEC_", "KFP_", "KUBECONFIG"))
        }

    def value(self, entry: dict[str, Any]) -> str:
        if "valueFrom" not in entry:
            return str(entry["value"])
        key = entry["valueFrom"]["secretKeyRef"]
        return self.secrets[key["name"]][key["key"]]

    def of(self, job: str) -> list[Pod]:
        return [pod for pod in self.nodes.values() if pod.job == job]

    def control(self, name: str, pods: list[Pod]) -> None:
        """Ends all nodes when one fails; tells how it ended."""
        while pods and any(pod.process.poll() is None for pod in pods):
            if any(pod.process.poll() for pod in pods):
                for pod in pods:
                    self.kill(pod, signal.SIGTERM)
            time.sleep(0.05)
        if name in self.jobs and pods:
            ended = "Failed" if any(pod.process.poll() for pod in pods) else "Complete"
            condition = {"type": ended, "status": "True", "reason": "Jobs", "message": "", "lastTransitionTime": now()}
            self.jobs[name]["status"] = {"conditions": [condition]}

    def delete(self, name: str) -> None:
        """The object goes at once, its pods when they have ended."""
        del self.jobs[name]
        self.deleted.append(name)
        for pod in self.of(name):
            self.kill(pod, signal.SIGTERM)
            threading.Thread(target=self.bury, args=(pod,), daemon=True).start()

    def bury(self, pod: Pod) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            pod.process.wait(30)
        self.kill(pod, signal.SIGKILL)
        pod.process.wait()
        time.sleep(0.2)
        self.nodes.pop(pod.name, None)

    def kill(self, pod: Pod, number: signal.Signals) -> None:
        if pod.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pod.process.pid, number)

    def listed(self, selector: str) -> list[dict[str, Any]]:
        job = selector.partition("jobset-name=")[2].partition(",")[0]
        if self.trouble and job in self.jobs:
            labels = {"jobset.sigs.k8s.io/jobset-name": job, "jobset.sigs.k8s.io/replicatedjob-name": "node"}
            labels |= {"batch.kubernetes.io/job-completion-index": "0"}
            metadata = {"name": "stuck", "namespace": NAMESPACE, "labels": labels, "creationTimestamp": now()}
            spec = {"containers": [{"name": "node"}]}
            return [{"metadata": metadata, "spec": spec, "status": {"phase": "Pending", **self.trouble}}]
        return [pod.to_json() for pod in self.of(job)]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Kubernetes]:
    """A cluster that ends with its last process."""
    state = Kubernetes(folder)
    server = _Server(("127.0.0.1", state.port), lambda *given: _Api(state, *given))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        for pod in list(state.nodes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pod.process.pid, signal.SIGKILL)
            pod.process.wait()
        server.shutdown()
        thread.join()
        server.server_close()
    assert not server.failures, server.failures


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.failures: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.failures.append(traceback.format_exc())


class _Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, state: Kubernetes, *given: Any) -> None:
        self.state = state
        super().__init__(*given)

    def handle_one_request(self) -> None:
        # A client that was killed closes nothing in good order.
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_GET(self) -> None:
        self.answer("get")

    def do_POST(self) -> None:
        self.answer("create")

    def do_DELETE(self) -> None:
        self.answer("delete")

    def answer(self, verb: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        address = urllib.parse.urlsplit(self.path)
        query = {name: value.lower() for name, value in urllib.parse.parse_qsl(address.query)}
        parts = address.path.strip("/").split("/")
        group = parts[1] if parts[0] == "apis" else ""
        rest = parts[3:] if group else parts[2:]
        if rest[0] == "namespaces":
            if rest[1] == "kubeflow-system":
                self.reply(200, {"data": {"kubeflow_trainer_version": "v2.3.0"}})
                return
            assert rest[1] == NAMESPACE
            rest = rest[2:]
        resource, name = rest[0], rest[1] if len(rest) > 1 else ""
        full = f"{resource}/{rest[2]}" if len(rest) > 2 else resource
        if verb == "get" and not name:
            verb = "list"
        self.state.requests.append((verb, group, full))
        if self.state.outage:
            self.state.outage -= 1
            self.refuse(503, "the server is away")
        elif not self.state.may(verb, group, full):
            self.refuse(403, f"may not {verb} {full}")
        elif full == "pods/log":
            self.log(name, query)
        else:
            self.serve(verb, resource, name, body, query)

    def serve(self, verb: str, resource: str, name: str, body: Any, query: dict[str, str]) -> None:
        state = self.state
        known = {
            "trainjobs": state.jobs,
            "clustertrainingruntimes": state.runtimes,
            "pods": state.pods,
            "resourcequotas": state.quotas,
            "persistentvolumeclaims": state.claims,
            "secrets": {name: {"metadata": {"name": name}, "data": data} for name, data in state.secrets.items()},
        }
        found = known.get(resource, {}).get(name)
        if verb == "create":
            if body["metadata"]["name"] in state.jobs:
                self.refuse(409, "already exists")
                return
            state.create(body)
            self.reply(201, state.jobs[body["metadata"]["name"]])
        elif verb == "list" and resource == "resourcequotas":
            self.reply(200, {"kind": "ResourceQuotaList", "items": list(state.quotas.values())})
        elif verb == "list":
            self.reply(200, {"kind": "PodList", "items": state.listed(query.get("labelSelector", ""))})
        elif found is None:
            self.refuse(404, f"{resource} {name} not found")
        elif verb == "delete":
            state.delete(name)
            self.reply(200, {"kind": "Status", "status": "Success"})
        else:
            self.reply(200, found)

    def log(self, name: str, query: dict[str, str]) -> None:
        """Lines as they come, until the container has ended."""
        pod = self.state.nodes.get(name)
        if pod is None:
            self.refuse(404, f"pods {name} not found")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent, last = 0, self.state.lines_before_cut
        while True:
            is_over = pod.process.poll() is not None
            time.sleep(0.05)
            for stamp, line in list(pod.lines[sent:]):
                text = f"{stamp} {line}\n" if query.get("timestamps") == "true" else f"{line}\n"
                self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
                sent += 1
            if is_over or query.get("follow") != "true" or 0 < last <= sent:
                break
        self.wfile.write(b"0\r\n\r\n")

    def refuse(self, code: int, message: str) -> None:
        self.reply(code, {"kind": "Status", "status": "Failure", "code": code, "message": message})

    def reply(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
