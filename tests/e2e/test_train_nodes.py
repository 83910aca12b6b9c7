"""The DAG with many nodes: KFP's local runner, a cluster whose nodes are processes here, S3, and torchrun."""

import json
from pathlib import Path

import pytest
import yaml

import kubernetes_api
from ostinato_components.images import TRAIN_IMAGE
from ostinato_pipelines.cli import main
from ostinato_pipelines.compile import pipeline_text
from ostinato_pipelines.local import execute

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/penguins"
DOCUMENT = {
    **yaml.safe_load((EXAMPLE / "config.yaml").read_text()),
    "trainer": {"epochs": 3, "batch_size": 32},
    "backend": {"storage": "s3://warehouse/ostinato", "trainer": {"num_nodes": 2}},
}


@pytest.fixture
def kubernetes(tmp_path, s3, monkeypatch):
    with kubernetes_api.cluster(tmp_path) as found:
        found.images[TRAIN_IMAGE] = found.images["train:1"]
        found.secrets["s3"] = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        found.pods["launcher"] = {
            "metadata": {"name": "launcher", "labels": {"pipeline/runid": "run-1"}},
            "spec": {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "s3"}}]}]},
        }
        monkeypatch.setenv("KFP_POD_NAME", "launcher")
        monkeypatch.setenv("KUBECONFIG", found.kubeconfig)
        yield found


def test_a_model_that_two_nodes_trained_is_evaluated_and_exported(kubernetes, s3, tmp_path, capfd):
    arguments = {"dataset": str(EXAMPLE / "penguins.csv")}
    steps = execute(pipeline_text(DOCUMENT), arguments, tmp_path / "store", caching=False)
    assert [step.name for step in steps][3:] == ["train_nodes", "evaluate", "export"]
    artifacts = {name: path for step in steps for name, path in step.artifacts.items()}
    assert Path(artifacts["bundle"], "model.onnx").stat().st_size > 0
    assert "<svg" in Path(artifacts["learning_curves"]).read_text()
    history = json.loads(Path(artifacts["model"], "training_statistics.json").read_text())
    assert len(history["training"]["species"]["loss"]) == 3
    (job,) = kubernetes.created
    assert job["spec"]["trainer"]["numNodes"] == 2
    output = capfd.readouterr().err
    assert "[node 0] rank 0 of 2" in output
    assert "[node 1] rank 1 of 2" in output
    assert s3.find("warehouse/ostinato/jobs") == []


def test_the_universal_pipeline_refuses_a_config_for_many_nodes_before_it_reads_data(tmp_path):
    arguments = {"dataset": "s3://nowhere/x.csv", "config": json.dumps(DOCUMENT)}
    with pytest.raises(Exception, match=r"backend\.trainer\.num_nodes: is 2, and this pipeline was made"):
        execute(pipeline_text(None), arguments, tmp_path / "store", caching=False)


def test_a_config_for_many_nodes_can_be_tried_on_one_machine(s3, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(DOCUMENT))
    run = ["run", "config.yaml", "--dataset", str(EXAMPLE / "penguins.csv"), "--output_directory", "out"]
    assert main(run) == 0
    said = capsys.readouterr().err
    assert "warning: backend.trainer.num_nodes is 2; this machine trains alone." in said
    assert "[4/6] train\n" in said
    assert Path("out/model/model_weights.safetensors").exists()
