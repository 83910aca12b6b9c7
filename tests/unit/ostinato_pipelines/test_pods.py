"""`backend.kubernetes` and what becomes of it in a package."""

import re
from pathlib import Path

import pytest
import yaml

from ostinato.errors import ConfigError
from ostinato.load import load_config
from ostinato_pipelines.cli import main
from ostinato_pipelines.compile import pipeline_text

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
input_features: [{name: width, type: number}]
output_features: [{name: price, type: number}]
backend:
  storage: s3://bucket/o
  preprocessing: {shards: 3}
  kubernetes:
    images: {data: r.io/data:1, train: r.io/train:1}
    image_pull_secrets: [pull]
    image_pull_policy: IfNotPresent
    shm_size: 2Gi
    s3_secret_keys: {accesskey: AWS_ACCESS_KEY_ID, secretkey: AWS_SECRET_ACCESS_KEY}
    environment: {AWS_ENDPOINT_URL_S3: "http://minio-service.kubeflow:9000"}
    labels: {team: risk, example.com/cost: "17"}
    annotations: {example.com/why: "any text, even: this"}
    volumes: [{claim: shared, mount_path: /shared, sub_path: data}]
    node_affinity:
      - {key: pool, values: [a, b]}
      - {key: spot, operator: DoesNotExist}
      - {key: zone, values: [z], weight: 7}
    retries: {train: 3, evaluate: 1}
    timeout_s: {train: 3600, preprocess: 600}
    run_timeout_s: 86400
    parallelism: 2
    ttl_s: 1000
"""


def compiled(text=CONFIG):
    """The pipeline, and what is said of the pods of each kind of task."""
    package, platform = yaml.safe_load_all(pipeline_text(load_config("c", text=text).document))
    kubernetes = platform["platforms"]["kubernetes"]
    pods = {name.removeprefix("exec-"): pod for name, pod in kubernetes["deploymentSpec"]["executors"].items()}
    return package, kubernetes, pods


@pytest.fixture(scope="module")
def all_of_it():
    return compiled()


def test_every_pod_has_what_is_for_every_pod(all_of_it):
    for name, pod in all_of_it[2].items():
        assert pod["podMetadata"] == {
            "labels": {"team": "risk", "example.com/cost": "17"},
            "annotations": {"example.com/why": "any text, even: this"},
        }, name
        assert pod["imagePullPolicy"] == "IfNotPresent"
        assert [secret["secretName"] for secret in pod["imagePullSecret"]] == ["pull"]
        (mount,) = pod["pvcMount"]
        assert (mount["constant"], mount["mountPath"], mount["subPath"]) == ("shared", "/shared", "data")


def test_keys_of_a_secret_have_the_names_that_the_config_gives_them(all_of_it):
    package, _, pods = all_of_it
    for pod in pods.values():
        (secret,) = pod["secretAsEnv"]
        assert [(key["secretKey"], key["envVar"]) for key in secret["keyToEnv"]] == [
            ("accesskey", "AWS_ACCESS_KEY_ID"),
            ("secretkey", "AWS_SECRET_ACCESS_KEY"),
        ]
    for executor in package["deploymentSpec"]["executors"].values():
        endpoint = {"name": "AWS_ENDPOINT_URL_S3", "value": "http://minio-service.kubeflow:9000"}
        assert endpoint in executor["container"]["env"]


def test_where_a_pod_default_sets_the_variables_no_secret_is_named():
    """The webhook of PodDefaults refuses a pod that has such a variable already."""
    text = f"{CONFIG.partition('backend')[0]}\nbackend: {{kubernetes: {{s3_secret_keys: {{}}}}}}"
    assert not any("secretAsEnv" in pod for pod in compiled(text)[2].values())


def test_required_machines_are_one_term_since_kubernetes_takes_any_term_that_holds(all_of_it):
    for pod in all_of_it[2].values():
        required, preferred = pod["nodeAffinity"]
        assert [(term["key"], term["operator"]) for term in required["matchExpressions"]] == [
            ("pool", "In"),
            ("spot", "DoesNotExist"),
        ]
        assert "weight" not in required
        assert (preferred["weight"], preferred["matchExpressions"][0]["key"]) == (7, "zone")


def test_shared_memory_is_for_training(all_of_it):
    having = {name: pod["emptyDirMounts"] for name, pod in all_of_it[2].items() if "emptyDirMounts" in pod}
    memory = {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}
    assert having == {"train": [memory]}


def test_time_and_tries_go_by_step(all_of_it):
    package, _, pods = all_of_it
    limits = {name: int(pod.get("activeDeadlineSeconds", 0)) for name, pod in pods.items()}
    tasks = {"preprocess-plan", "preprocess-analyze", "preprocess-merge", "preprocess-encode", "preprocess-collect"}
    assert {name for name, limit in limits.items() if limit == 600} == tasks
    assert limits["train"] == 3600
    assert limits["evaluate"] == 0
    retries = {
        name: task.get("retryPolicy", {}).get("maxRetryCount") for name, task in package["root"]["dag"]["tasks"].items()
    }
    assert (retries["train"], retries["evaluate"], retries["export"]) == (3, 1, None)


def test_the_run_has_an_end_and_few_tasks_at_once(all_of_it):
    package, kubernetes, _ = all_of_it
    assert kubernetes["pipelineConfig"] == {"resourceTtlOnCompletion": 1000, "activeDeadlineSeconds": 86400}
    tasks = package["root"]["dag"]["tasks"].values()
    assert [task["iteratorPolicy"]["parallelismLimit"] for task in tasks if "iteratorPolicy" in task] == [2, 2]


def test_images_of_the_config_are_taken_unless_others_are_named(all_of_it):
    executors = all_of_it[0]["deploymentSpec"]["executors"]
    assert executors["exec-resolve"]["container"]["image"] == "r.io/data:1"
    assert executors["exec-train"]["container"]["image"] == "r.io/train:1"
    document = load_config("c", text=CONFIG).document
    assert "r.io/train" not in pipeline_text(document, image_train="other:2")


def test_what_is_applied_is_no_part_of_the_config_of_the_run(all_of_it):
    """Else another label would train again."""
    config = yaml.safe_load(all_of_it[0]["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"])
    assert config["backend"] == {"storage": "s3://bucket/o", "preprocessing": {"shards": 3}}


def test_without_the_section_nothing_but_the_run_form_is_said_of_pods():
    package, kubernetes, pods = compiled(CONFIG.partition("backend")[0])
    assert "pipelineConfig" not in kubernetes
    assert {key for pod in pods.values() for key in pod} == {"secretAsEnv", "nodeSelector", "tolerations"}
    assert "retryPolicy" not in package["root"]["dag"]["tasks"]["train"]


def test_the_examples_of_the_documents_are_valid():
    text = (ROOT / "docs/pipelines.md").read_text()
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "  kubernetes:" in block]
    assert len(examples) == 2
    for example in examples:
        compiled(CONFIG.partition("backend")[0] + example)


def test_a_step_that_is_not_there_is_an_error_with_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        compiled(CONFIG.replace("{train: 3600,", "{trian: 3600, train_nodes: 7,").replace("evaluate: 1", "tune: 1"))
    text = str(caught.value)
    assert "backend.kubernetes.timeout_s.trian: this pipeline has no such step" in text
    assert "did you mean 'train'?" in text
    assert "backend.kubernetes.retries.tune" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("shm_size: 2Gi", "shm_size: 2 GB", "backend.kubernetes.shm_size: found the text '2 GB'"),
        ("[pull]", "[Pull_Secret]", "a name of Kubernetes"),
        ("mount_path: /shared", "mount_path: shared", "a path from the root"),
        ("claim: shared, ", "", "claim: is missing"),
        ("team: risk", "team: 'two words'", "at most 63 letters"),
        ("team: risk", "'te am': risk", "a key of Kubernetes"),
        ("operator: DoesNotExist", "operator: Missing", "In, NotIn, Exists"),
        ("weight: 7", "weight: 101", "a whole number from 1 to 100"),
        ("train: 3,", "train: -1,", "found -1"),
        ("ttl_s: 1000", "ttl: 1000", "did you mean 'ttl_s'"),
        ("AWS_ENDPOINT_URL_S3:", "MY_TOKEN:", "'MY_TOKEN' looks like a secret"),
        ("accesskey: AWS_ACCESS_KEY_ID", "accesskey: AWS-ID", "a name of a variable"),
    ],
)
def test_what_kubernetes_would_refuse_is_an_error_of_the_config(old, new, said):
    assert old in CONFIG
    with pytest.raises(ConfigError) as caught:
        load_config("c", text=CONFIG.replace(old, new, 1))
    assert said in str(caught.value)
    assert str(caught.value).startswith("c:")


def test_the_universal_pipeline_takes_the_section_from_a_file(tmp_path, capsys):
    section, package = tmp_path / "kubernetes.yaml", tmp_path / "ostinato.yaml"
    section.write_text("labels: {team: risk}\nshm_size: 1Gi\n")
    flags = ["compile", "--universal", "--kubernetes", str(section), "-o", str(package)]
    assert main(flags) == 0
    _, platform = yaml.safe_load_all(package.read_text())
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert pods["exec-export"]["podMetadata"]["labels"] == {"team": "risk"}
    section.write_text("lables: {team: risk}\nshm_size: big\n")
    assert main(flags) == 2
    errors = capsys.readouterr().err
    assert f"{section}:1:1: lables: unknown key" in errors
    assert "did you mean 'labels'?" in errors
    assert f"{section}:2:11: shm_size: found the text 'big'" in errors
