"""What Kubeflow gets: the compiled pipelines."""

import hashlib
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp.pipeline_spec import pipeline_spec_pb2

from ostinato.errors import ConfigError
from ostinato_pipelines.compile import MOST_WORKFLOW_BYTES, QuotingDumper, Yaml12Loader, pipeline_text, workflow_bytes

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
DOCUMENT = yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text())
PACKAGES = ("penguins", "nodes", "universal")


def training(tasks):
    """The name of the one step that trains."""
    (name,) = {"train", "train-nodes"} & set(tasks)
    return name


def ir(text):
    """The pipeline of a package, without what is said of its pods."""
    return next(iter(yaml.safe_load_all(text)))


def pods(text):
    """What a package says of the pods of each task's kind."""
    executors = list(yaml.safe_load_all(text))[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor for name, executor in executors.items()}


@pytest.fixture(scope="module", params=[*PACKAGES, "fan_out", "guarded"])
def any_package(request):
    return (GOLDEN / f"pipelines/{request.param}.yaml").read_text()


@pytest.fixture(scope="module", params=PACKAGES)
def package(request):
    return (GOLDEN / f"pipelines/{request.param}.yaml").read_text()


@pytest.fixture(scope="module")
def fan_out():
    return ir((GOLDEN / "pipelines/fan_out.yaml").read_text())


def test_golden_files_are_up_to_date():
    done = subprocess.run(
        [sys.executable, GOLDEN / "regenerate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_reader_of_yaml_1_2_sees_the_same_as_a_reader_of_yaml_1_1(any_package):
    document, platform = yaml.load_all(any_package, Loader=Yaml12Loader)
    assert [document, platform] == list(yaml.safe_load_all(any_package))
    json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())


def test_every_string_is_quoted(any_package):
    bare = [
        token.value
        for token in yaml.scan(any_package)
        if isinstance(token, yaml.ScalarToken)
        and token.plain
        and not re.fullmatch(r"true|false|null|-?[0-9.]+", token.value)
    ]
    assert bare == []


def test_there_are_no_anchors(any_package):
    assert not [t for t in yaml.scan(any_package) if isinstance(t, yaml.AnchorToken | yaml.AliasToken)]


def test_every_input_of_the_run_form_has_a_description_and_a_default(any_package):
    inputs = ir(any_package)["root"]["inputDefinitions"]["parameters"]
    assert set(inputs) == {
        "dataset",
        "config",
        "overrides",
        "seed",
        "storage",
        "s3_secret",
        "require_onnx",
        *(f"{step}_{what}" for step in ("preprocess", "train") for what in ("cpu", "memory")),
        *(f"{step}_{what}" for step in ("preprocess", "train") for what in ("node_selector", "tolerations")),
        "train_accelerator_type",
        "train_accelerator_count",
    }
    assert all(entry["description"].strip() and "defaultValue" in entry for entry in inputs.values())


def test_every_step_but_the_first_is_cached(package):
    tasks = ir(package)["root"]["dag"]["tasks"]
    cached = {name: task["cachingOptions"].get("enableCache", False) for name, task in tasks.items()}
    assert cached == {name: name != "resolve" for name in cached}
    assert len(cached) == 6


def test_what_a_cached_step_reads_is_in_its_key_as_a_parameter(package):
    """KFP's key holds names of artifacts, not their content."""
    tasks = ir(package)["root"]["dag"]["tasks"]
    for name, task in tasks.items():
        if name != "resolve":
            assert {"digest", "fingerprint"} & set(task["inputs"]["parameters"]), name


def test_a_learning_rate_is_no_part_of_the_key_of_preprocessing(package):
    tasks = ir(package)["root"]["dag"]["tasks"]
    for name in ("infer-schema", "preprocess"):
        source = tasks[name]["inputs"]["parameters"]["config"]["taskOutputParameter"]
        assert source == {"producerTask": "resolve", "outputParameterKey": "data_config"}
        assert "fingerprint" not in tasks[name]["inputs"]["parameters"]


def test_a_seed_is_a_part_of_the_key_of_what_depends_on_it(package):
    tasks = ir(package)["root"]["dag"]["tasks"]
    for name in ("resolve", "preprocess", training(tasks)):
        assert tasks[name]["inputs"]["parameters"]["seed"] == {"componentInputParameter": "seed"}
    assert "seed" not in tasks["infer-schema"]["inputs"]["parameters"]


def test_resources_are_inputs_of_preprocessing_and_training_only(any_package):
    document = ir(any_package)
    executors = document["deploymentSpec"]["executors"]
    having = {
        name.removeprefix("exec-") for name, executor in executors.items() if "resources" in executor["container"]
    }
    steps = {name for name in pods(any_package) if name.startswith(("preprocess", "train"))}
    assert having == steps
    accelerated = [name for name in having if "accelerator" in executors[f"exec-{name}"]["container"]["resources"]]
    assert accelerated == [training(document["root"]["dag"]["tasks"])]


def test_every_step_gets_the_keys_of_the_storage_by_the_name_of_a_secret_that_need_not_be_there(any_package):
    for name, pod in pods(any_package).items():
        (secret,) = pod["secretAsEnv"]
        assert secret["optional"], name
        assert secret["secretNameParameter"]["componentInputParameter"].endswith("s3_secret")
        assert {"secretKey": "AWS_ACCESS_KEY_ID", "envVar": "AWS_ACCESS_KEY_ID"} in secret["keyToEnv"]


def test_machines_are_chosen_in_the_run_form_and_are_in_no_cache_key(any_package):
    document = ir(any_package)
    for name, pod in pods(any_package).items():
        step = name.partition("-")[0]
        if step in ("preprocess", "train"):
            selector = pod["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"]
            assert selector.endswith(f"{step}_node_selector")
            assert pod["tolerations"][0]["tolerationJson"]["componentInputParameter"].endswith(f"{step}_tolerations")
        else:
            assert "nodeSelector" not in pod
    for dag in dags(document):
        for task in dag["tasks"].values():
            if "parameterIterator" not in task:
                inputs = " ".join(task.get("inputs", {}).get("parameters", {}))
                assert not re.search("selector|tolerations|s3_secret", inputs)


def dags(document):
    return [document["root"]["dag"], *(part["dag"] for part in document["components"].values() if "dag" in part)]


def test_whatever_a_task_or_its_pod_refers_to_is_an_input_of_its_dag(any_package):
    """Else the driver fails: "parent DAG does not have input parameter"."""
    document, of_pods = ir(any_package), pods(any_package)
    for part in [document["root"], *document["components"].values()]:
        for task in part.get("dag", {}).get("tasks", {}).values():
            pod = of_pods.get(task["componentRef"]["name"].removeprefix("comp-"), {})
            referred = set(re.findall(r"'componentInputParameter': '([^']+)'", f"{task.get('inputs')} {pod}"))
            assert referred <= set(part["inputDefinitions"]["parameters"])


def test_resources_of_nodes_are_not_those_of_the_pod_that_waits_for_them():
    package = ir((GOLDEN / "pipelines/nodes.yaml").read_text())
    passed_on = package["components"]["comp-train-nodes"]["taskConfigPassthroughs"]
    fields = {"RESOURCES", "KUBERNETES_TOLERATIONS", "KUBERNETES_NODE_SELECTOR", "KUBERNETES_AFFINITY"}
    assert {entry["field"] for entry in passed_on} == fields
    assert not any(entry.get("applyToTask") for entry in passed_on)


def test_a_config_for_one_machine_has_no_step_for_nodes_and_one_for_several_no_other():
    for backend, step in (({"num_nodes": 1}, "train"), ({"num_nodes": 3}, "train-nodes")):
        document = {**DOCUMENT, "backend": {"storage": "s3://b/o", "trainer": backend}}
        assert training(ir(pipeline_text(document))["root"]["dag"]["tasks"]) == step


@pytest.mark.parametrize("backend", [{}, {"storage": "s3://b/o", "trainer": {"num_nodes": 2}}])
def test_the_commit_reaches_the_training_step_and_no_cache_key(backend):
    document = {**DOCUMENT, "backend": backend}
    text = pipeline_text(document, git_sha="0123abc")
    assert ir(text) == ir(pipeline_text(document)), "KFP's key is made of what is in here"
    (executor,) = (pod for pod in pods(text).values() if "podMetadata" in pod)
    assert executor["podMetadata"]["annotations"] == {"ostinato/git-sha": "0123abc"}
    field = {"name": "OSTINATO_GIT_SHA", "fieldPath": "metadata.annotations['ostinato/git-sha']"}
    assert executor["fieldPathAsEnv"] == [field]


def test_steps_come_one_after_another(package):
    tasks = ir(package)["root"]["dag"]["tasks"]
    order = ["resolve", "infer-schema", "preprocess", training(tasks), "evaluate", "export"]
    for before, after in pairwise(order):
        assert before in tasks[after]["dependentTasks"]


def test_data_and_model_are_judged_before_they_are_taken():
    package = ir((GOLDEN / "pipelines/guarded.yaml").read_text())
    tasks = package["root"]["dag"]["tasks"]
    order = [
        "infer-schema",
        "validate-data",
        "verdict",
        "preprocess",
        "train",
        "evaluate",
        "export",
        "gate",
        "verdict-2",
    ]
    for before, after in pairwise(order):
        assert before in tasks[after]["dependentTasks"]
    for name in ("validate-data", "gate"):
        assert not tasks[name]["cachingOptions"].get("enableCache"), "contract and champion are in no key"
    assert tasks["gate"]["inputs"]["parameters"]["config"]["taskOutputParameter"]["outputParameterKey"] == "gate"
    assert workflow_bytes((GOLDEN / "pipelines/guarded.yaml").read_text()) < MOST_WORKFLOW_BYTES / 2


def test_a_local_contract_travels_with_the_pipeline_whatever_its_names_are(tmp_path):
    contract = {"rows": 1, "columns": [{"name": "{{$.x}}", "type": "text", "values": "text", "missing": 0}]}
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract))
    document = {**DOCUMENT, "data_contract": {"path": str(tmp_path / "contract.yaml")}}
    tasks = ir(pipeline_text(document))["root"]["dag"]["tasks"]
    travelled = tasks["validate-data"]["inputs"]["parameters"]["contract"]["runtimeValue"]["constant"]
    assert "{{$" not in travelled
    assert yaml.safe_load(travelled)["columns"] == contract["columns"]


def test_a_contract_that_is_too_large_to_travel_is_told_so(tmp_path):
    column = {"type": "text", "values": "text", "missing": 0}
    columns = [{"name": hashlib.sha256(b"%d" % number).hexdigest(), **column} for number in range(2500)]
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump({"rows": 1, "columns": columns}))
    with pytest.raises(ConfigError, match="name its URI"):
        pipeline_text({**DOCUMENT, "data_contract": {"path": str(tmp_path / "contract.yaml")}})


def test_preprocessing_by_tasks_is_plan_analyze_merge_encode_collect(fan_out):
    tasks = fan_out["root"]["dag"]["tasks"]
    loops = {task["taskInfo"]["name"]: name for name, task in tasks.items() if "parameterIterator" in task}
    assert set(loops) == {"analyze", "encode"}
    order = ["infer-schema", "preprocess-plan", loops["analyze"], "preprocess-merge", loops["encode"]]
    order += ["preprocess-collect", "train"]
    for before, after in pairwise(order):
        assert before in tasks[after]["dependentTasks"], (before, after)
    for loop in loops.values():
        items = tasks[loop]["inputs"]["parameters"]["pipelinechannel--preprocess-plan-Output"]
        assert items["taskOutputParameter"]["producerTask"] == "preprocess-plan"


def test_tasks_that_share_the_preprocessing_hand_each_other_parameters_only(fan_out):
    """Nothing that grows with the data goes through the pipeline."""
    for name in ("plan", "analyze", "merge", "encode"):
        component = fan_out["components"][f"comp-preprocess-{name}"]
        assert "artifacts" not in component["inputDefinitions"]
        assert "artifacts" not in component["outputDefinitions"]


def test_the_number_of_tasks_is_that_of_the_config(fan_out):
    inputs = fan_out["root"]["dag"]["tasks"]["preprocess-plan"]["inputs"]["parameters"]
    assert inputs["shards"] == {"runtimeValue": {"constant": 4}}
    assert inputs["storage"]["taskOutputParameter"]["outputParameterKey"] == "storage"


def test_a_package_is_small(package):
    assert len(package.encode()) < 60_000
    assert workflow_bytes(package) < MOST_WORKFLOW_BYTES / 3


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.text()
        | st.sampled_from(["1e-3", "1e3", "0o17", "0x1F", "y", "No", "null", "~", "1_000", "1:30", ".inf", "="]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_string_stays_a_string_for_every_reader(value):
    text = yaml.dump(value, Dumper=QuotingDumper, allow_unicode=True, width=120)
    assert yaml.safe_load(text) == value
    assert yaml.load(text, Loader=Yaml12Loader) == value


def test_a_number_in_exponent_form_survives_as_what_the_user_wrote():
    document = {**DOCUMENT, "trainer": {"learning_rate": 1e-3}}
    package, _ = yaml.load_all(pipeline_text(document), Loader=Yaml12Loader)
    config = package["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"]
    assert yaml.safe_load(config)["trainer"] == {"learning_rate": 0.001}
