"""`ostinato preflight`: against real S3, and servers that stand in for a registry, Kubeflow and Kubernetes."""

import base64
import json
import re

import pytest
import s3fs

import kubernetes_api
import servers
from ostinato.errors import ConfigError
from ostinato_pipelines.cli import main
from ostinato_pipelines.preflight.check import checked
from ostinato_pipelines.preflight.cluster import check_backend
from ostinato_pipelines.preflight.images import parse
from ostinato_pipelines.remote.connection import Place

CONFIG = """
input_features: [{name: width, type: number}]
output_features: [{name: price, type: number}]
backend:
  storage: s3://warehouse/ostinato
  kubernetes:
    images: {data: REGISTRY/team/data:1, train: "REGISTRY/team/train@sha256:DIGEST"}
    image_pull_secrets: [pull]
    volumes: [{claim: shared, mount_path: /shared}]
"""
DIGEST = "0" * 64
KEYS = {"AWS_ACCESS_KEY_ID": "SECRET-ID", "AWS_SECRET_ACCESS_KEY": "SECRET-KEY"}
READER = [
    {"apiGroups": [""], "resources": ["secrets", "persistentvolumeclaims", "resourcequotas"], "verbs": ["get", "list"]}
]


@pytest.fixture(scope="module")
def bucket():
    with servers.s3_server() as endpoint:
        system = s3fs.S3FileSystem(key="test", secret="test", endpoint_url=endpoint)
        system.call_s3("create_bucket", Bucket=servers.BUCKET)
        system.pipe_file(f"{servers.BUCKET}/good.csv", b"width,price\n1,2\n3,4\n")
        yield endpoint, system


@pytest.fixture
def world(bucket, tmp_path, monkeypatch):
    """Everything is as a run needs it; what a test changes is what is wrong."""
    endpoint, _ = bucket
    for name, value in (servers.ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": endpoint}).items():
        monkeypatch.setenv(name, value)
    health = {"/apis/v2beta1/healthz": (200, {"tag_name": "2.17.0", "multi_user": True})}
    with (
        servers.registry({"team/data:1", f"team/train:sha256:{DIGEST}"}) as registry,
        servers.answering_server(health) as kubeflow,
        kubernetes_api.cluster(tmp_path) as cluster,
    ):
        cluster.rules = READER
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in KEYS.items()}
        cluster.secrets = {"ostinato-s3": encoded, "pull": {}}
        cluster.claims = {"shared": {"metadata": {"name": "shared"}}}
        hard, used = {"requests.cpu": "16", "limits.memory": "32Gi"}, {"requests.cpu": "4", "limits.memory": "8Gi"}
        cluster.quotas = {"team": {"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}}}
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kubeflow)
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.replace("REGISTRY", registry).replace("DIGEST", DIGEST))
        yield World(config, health, cluster, registry)


class World:
    def __init__(self, config, health, cluster, registry):
        self.config, self.health, self.cluster, self.registry = config, health, cluster, registry

    def replace(self, old, new):
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))


@pytest.fixture
def preflight(world, capsys):
    """Runs the command; exit code, and state and text of each check."""

    def run(*flags, dataset="s3://warehouse/good.csv"):
        code = main(["preflight", str(world.config), "--dataset", dataset, "--json", *flags])
        out, err = capsys.readouterr()
        assert not re.search("Traceback|SECRET-", out + err)
        found = json.loads(out)
        assert found["exit_code"] == code
        return code, {check["name"]: (check["state"], check["text"]) for check in found["checks"]}

    return run


def test_where_all_is_well_every_check_says_so(preflight, world, bucket):
    code, checks = preflight()
    assert {state for state, _ in checks.values()} == {"ok"}, checks
    assert code == 0
    assert set(checks) == {
        "config",
        "package",
        "run form",
        "dataset",
        "storage",
        "image 1",
        "image 2",
        "Kubeflow",
        "S3 keys",
        "quota",
        "objects",
    }
    assert checks["Kubeflow"][1].startswith("Kubeflow Pipelines 2.17.0")
    assert bucket[1].find(f"{servers.BUCKET}/ostinato") == []  # the probe is gone


def test_everything_that_is_wrong_is_said_at_once_and_the_first_gives_the_exit_code(preflight, world):
    world.replace("train@", "gone@")
    world.health["/apis/v2beta1/healthz"] = (200, {"tag_name": "2.5.0", "multi_user": False})
    world.cluster.secrets = {}
    world.cluster.quotas["team"]["status"]["used"] = {"requests.cpu": "13"}
    code, checks = preflight("--param", "s3_secret=mine", dataset="s3://warehouse/bad.csv")
    failed = {name: text for name, (state, text) in checks.items() if state == "failed"}
    assert set(failed) == {"dataset", "image 2", "Kubeflow", "S3 keys", "quota", "objects"}
    assert code == 3
    assert "no such file" in failed["dataset"]
    assert "there is no such image" in failed["image 2"]
    assert "is Kubeflow Pipelines 2.5.0" in failed["Kubeflow"]
    assert "2.17 or newer" in failed["Kubeflow"]
    assert "no Secret 'mine' in the namespace 'team'" in failed["S3 keys"]
    assert "train: cpu: needs 4, and the quota 'team' leaves 3" in failed["quota"]
    assert "no secret 'pull'" in failed["objects"]


def test_a_webhook_needs_its_secret(preflight, world):
    world.config.write_text(world.config.read_text() + "notify: {webhook: true, secret: slack}\n")
    code, checks = preflight()
    assert code == 2
    assert "no secret 'slack'" in checks["objects"][1]
    world.cluster.secrets["slack"] = {}
    assert preflight()[0] == 0


def test_a_wrong_config_is_code_2_and_the_rest_is_checked(preflight, world):
    world.replace("type: number}]\noutput", "type: numbr}]\noutput")
    code, checks = preflight()
    assert code == 2
    assert "did you mean 'number'" in checks["config"][1]
    assert checks["package"] == ("not checked", "the config is wrong")
    assert checks["dataset"][0] == "ok"


def test_what_could_not_be_checked_is_neither_good_nor_bad(preflight, world, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    world.replace(f"{world.registry}/team/data:1", "127.0.0.1:1/team/data:1")
    world.replace("team/train", "private/train")
    code, checks = preflight()
    unknown = {name: text for name, (state, text) in checks.items() if state == "not checked"}
    assert code == 0
    assert set(unknown) == {"image 1", "image 2", "Kubeflow", "S3 keys", "quota", "objects"}
    assert "can't be reached from here" in unknown["image 1"]
    assert "tells nobody without credentials" in unknown["image 2"]


def test_columns_that_the_data_lack_are_code_3(preflight, world):
    world.replace("name: width", "name: hight")
    code, checks = preflight()
    assert code == 3
    assert "no column 'hight'" in checks["dataset"][1]


def test_a_storage_that_may_not_be_written_is_code_3(preflight):
    code, checks = preflight("--param", "storage=s3://nobodys-bucket/x")
    assert code == 3
    assert "NoSuchBucket" in checks["storage"][1]


def test_a_path_of_this_machine_is_no_data_for_a_pod_but_one_on_a_volume_may_be(preflight):
    code, checks = preflight(dataset="/tmp/data.csv")
    assert code == 3
    assert "no pod sees" in checks["dataset"][1]
    code, checks = preflight(dataset="/shared/data.csv")
    assert code == 0
    assert checks["dataset"] == ("not checked", "/shared/data.csv lies on a volume of the cluster")


def test_without_a_secret_the_steps_may_have_their_keys_from_elsewhere(preflight, world):
    del world.cluster.secrets["ostinato-s3"]
    code, checks = preflight()
    assert code == 0
    assert checks["S3 keys"][0] == "not checked"
    assert "s3://warehouse/good.csv some other way" in checks["S3 keys"][1]


def test_a_secret_without_the_keys_fails(preflight, world):
    world.cluster.secrets["ostinato-s3"] = {"accesskey": "eA=="}
    code, checks = preflight()
    assert code == 2
    assert "lacks AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in checks["S3 keys"][1]
    world.replace("  kubernetes:\n", "  kubernetes:\n    s3_secret_keys: {accesskey: AWS_ACCESS_KEY_ID}\n")
    assert preflight()[1]["S3 keys"] == ("ok", "the Secret 'ostinato-s3' has accesskey")
    world.replace("{accesskey: AWS_ACCESS_KEY_ID}", "{}")
    assert "take none from a Secret" in preflight()[1]["S3 keys"][1]


def test_what_one_may_not_read_is_not_checked(preflight, world):
    world.cluster.rules = []
    code, checks = preflight()
    assert code == 0
    for name in ("S3 keys", "quota", "objects"):
        assert checks[name][0] == "not checked"
        assert "403" in checks[name][1]


def test_inputs_of_the_run_form_are_checked(preflight):
    code, checks = preflight(
        *("--param", "train_cpu=many", "--param", "s3_secret=", "--param", "train_node_selector=gpu=h100")
    )
    assert code == 2
    text = checks["run form"][1]
    for said in ("train_cpu: found the text 'many'", "s3_secret: is empty", "train_node_selector: found the text"):
        assert said in text
    assert checks["quota"] == ("not checked", "the run form is wrong")


def test_gpus_that_the_quota_does_not_give_are_an_error(preflight, world):
    world.cluster.quotas["team"]["status"]["hard"]["requests.nvidia.com/gpu"] = "1"
    code, checks = preflight("--param", "train_accelerator_count=2")
    assert code == 1
    assert "train: nvidia.com/gpu: needs 2, and the quota 'team' leaves 1" in checks["quota"][1]


def test_an_input_that_does_not_exist_is_a_usage_error(world, capsys):
    assert main(["preflight", str(world.config), "--param", "train_cpus=3"]) == 2
    assert "did you mean 'train_cpu'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        ((401, {}), "failed", "answers 401"),
        ((200, b"<html>a portal</html>"), "failed", "is no Kubeflow Pipelines"),
        ((200, []), "failed", "is no Kubeflow Pipelines"),
        ((200, {"tag_name": "unknown"}), "not checked", "its version is 'unknown'"),
        ((200, {"tag_name": "2.18.1-rc.0"}), "ok", "2.18.1"),
    ],
)
def test_what_a_backend_may_answer(answer, state, text):
    with servers.answering_server({"/apis/v2beta1/healthz": answer}) as kubeflow:
        (check,) = checked([("Kubeflow", lambda: check_backend(Place(host=kubeflow)))])
    assert check.state == state
    assert text in check.text


def test_the_token_of_a_file_wins_over_that_of_the_environment_and_is_not_printed(tmp_path):
    file = tmp_path / "token"
    file.write_text("SECRET-A\n")

    def health(headers):
        is_known = headers.get("Authorization") == "Bearer SECRET-A"
        return (200, {"tag_name": "2.17.0"}) if is_known else (401, {"error": "who?"})

    with servers.answering_server({"/apis/v2beta1/healthz": health}) as kubeflow:
        (check,) = checked([("Kubeflow", lambda: check_backend(Place(kubeflow), {"KF_PIPELINES_TOKEN": "SECRET-B"}))])
        assert check.state == "failed"
        assert "KF_PIPELINES_TOKEN, --token_file" in check.text
        assert "SECRET" not in check.text
        place = Place(kubeflow, token_file=str(file))
        assert check_backend(place, {"KF_PIPELINES_TOKEN": "SECRET-B"}).startswith("Kubeflow Pipelines 2.17.0")


@pytest.mark.parametrize(
    ("name", "manifest"),
    [
        ("python", "https://registry-1.docker.io/v2/library/python/manifests/latest"),
        ("team/train:1.2", "https://registry-1.docker.io/v2/team/train/manifests/1.2"),
        ("ghcr.io/a/b/c:1", "https://ghcr.io/v2/a/b/c/manifests/1"),
        ("localhost:5000/a", "http://localhost:5000/v2/a/manifests/latest"),
        (f"r.io/a:1@sha256:{DIGEST}", f"https://r.io/v2/a/manifests/sha256:{DIGEST}"),
    ],
)
def test_names_of_images_are_read_as_docker_reads_them(name, manifest):
    assert parse(name).manifest == manifest


@pytest.mark.parametrize("name", ["Upper/Case", "a b", "r.io/a@sha256:1", ""])
def test_a_name_that_no_image_can_have_is_an_error(name):
    with pytest.raises(ConfigError, match="no name of an image"):
        parse(name)


def test_the_text_for_people_has_a_line_for_each_check(world, capsys):
    assert main(["preflight", str(world.config), "--dataset", "s3://warehouse/good.csv"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ok +dataset +s3://warehouse/good.csv can be read", out, re.MULTILINE)
    assert out.endswith("11 ok\n")
