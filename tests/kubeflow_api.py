"""A server that speaks as much of the API of Kubeflow Pipelines (v2beta1) as the commands use, with faults to order."""

import contextlib
import http.server
import json
import re
import threading
import urllib.parse
import uuid

API = "/apis/v2beta1"


class Kubeflow:
    """What the server has, and what it was told to get wrong."""

    def __init__(self):
        self.pipelines, self.versions, self.experiments, self.runs, self.schedules = {}, {}, {}, {}, {}
        self.health = {"tag_name": "2.17.0", "multi_user": False}
        self.token = None
        self.faults = []
        """[method, pattern of the path, status, how often, whether the request is done all the same]."""
        self.seen = []
        self.plans = {}
        """Run id -> what each look at it gives in turn, the last one for ever."""

    def fail(self, method, pattern, status, times=1, *, is_done=False):
        self.faults.append([method, re.compile(pattern), status, times, is_done])

    def plan(self, run_id, *looks):
        self.plans[run_id] = list(looks)

    def handle(self, method, path, query, body):
        """(status, answer)"""
        rest = path.removeprefix(API)
        if rest == "/healthz":
            return 200, self.health
        match method, rest.strip("/").split("/"):
            case "GET", ["pipelines"]:
                return 200, {"pipelines": self._filtered(self.pipelines, query)}
            case "POST", ["pipelines"]:
                return self._make(self.pipelines, "pipeline_id", body)
            case "GET", ["pipelines", pipeline, "versions"]:
                own = {key: one for key, one in self.versions.items() if one["pipeline_id"] == pipeline}
                return 200, {"pipeline_versions": self._filtered(own, query)}
            case "POST", ["pipelines", "upload_version"]:
                entry = {
                    "display_name": query["name"],
                    "pipeline_id": query["pipelineid"],
                    "description": query.get("description", ""),
                    "package": body,
                }
                return self._make(self.versions, "pipeline_version_id", entry)
            case "GET", ["experiments"]:
                return 200, {"experiments": self._filtered(self.experiments, query)}
            case "POST", ["experiments"]:
                return self._make(self.experiments, "experiment_id", body)
            case "POST", ["runs"]:
                return self._make(self.runs, "run_id", body | {"state": "PENDING"}, unique=False)
            case "GET", ["runs", run_id] if run_id in self.runs:
                looks = self.plans.get(run_id, [{}])
                look = looks.pop(0) if len(looks) > 1 else looks[0]
                return 200, self.runs[run_id] | look
            case "GET", ["recurringruns"]:
                return 200, {"recurringRuns": list(self.schedules.values())}
            case "POST", ["recurringruns"]:
                return self._make(self.schedules, "recurring_run_id", body | {"status": "ENABLED"}, unique=False)
            case "DELETE", ["recurringruns", name] if name in self.schedules:
                del self.schedules[name]
                return 200, {}
            case "POST", ["recurringruns", name] if name.partition(":")[0] in self.schedules:
                identity, _, what = name.partition(":")
                self.schedules[identity]["status"] = what.upper() + "D"
                return 200, {}
        return 404, {"code": 5, "message": f"there is no {path}"}

    def _make(self, things, key, entry, *, unique=True):
        same = [one for one in things.values() if one["display_name"] == entry["display_name"]]
        if unique and any(one.get("pipeline_id") == entry.get("pipeline_id", one.get("pipeline_id")) for one in same):
            return 409, {"code": 6, "message": "Already exist error"}
        identity = str(uuid.uuid4())
        things[identity] = entry | {key: identity}
        return 200, {name: value for name, value in things[identity].items() if name != "package"}

    def _filtered(self, things, query):
        wanted = json.loads(query.get("filter") or "{}").get("predicates", [])
        name = next((each.get("stringValue", each.get("string_value")) for each in wanted), None)
        found = [one for one in things.values() if name in (None, one["display_name"])]
        return [{key: value for key, value in one.items() if key != "package"} for one in found]


@contextlib.contextmanager
def kubeflow():
    """A Kubeflow and its address."""
    state = Kubeflow()
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            with lock:
                status, content = self.work()
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def work(self):
            url = urllib.parse.urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(raw) if raw and is_json else raw.decode(errors="replace")
            state.seen.append((self.command, url.path, body))
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                return 401, {"message": "who are you?"}
            for fault in state.faults:
                method, pattern, status, times, is_done = fault
                if times and method == self.command and pattern.search(url.path):
                    fault[3] -= 1
                    if is_done:
                        state.handle(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), body)
                    return status, {"message": "a fault"}
            return state.handle(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), body)

        do_GET = do_POST = do_DELETE = do_PUT = answer

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
