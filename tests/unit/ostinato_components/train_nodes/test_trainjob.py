"""The TrainJob as the API server gets it, and what the nodes inherit from the step's pod."""

import pytest
from kubeflow_trainer_api import models

from ostinato.errors import ConfigError
from ostinato_components.train_nodes.nodes import NodeJob, Placement
from ostinato_components.train_nodes.own_pod import OwnPod
from ostinato_components.train_nodes.trainjob import devices, train_job

PLACEMENT = Placement(
    resources={"limits": {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "8"}, "requests": {"cpu": "8"}},
    tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    node_selector={"pool": "gpu"},
)
FROM_SECRET = [
    {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "id"}}},
    {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secret"}}},
]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}


def node_job(placement=PLACEMENT):
    return NodeJob(
        name="ostinato-0123456789abcdef",
        job="s3://b/jobs/x/job.json",
        errors="s3://b/jobs/x/errors",
        image="registry/train:1",
        num_nodes=4,
        processes=8,
        runtime="torch-distributed",
        placement=placement,
    )


def own_pod(env=(), **spec):
    metadata = {"name": "launcher", "labels": {"pipeline/runid": "run-1"}}
    return OwnPod({"metadata": metadata, "spec": {"containers": [{"name": "main", "env": list(env)}], **spec}})


def test_the_whole_object():
    pod = own_pod(FROM_SECRET, imagePullSecrets=[{"name": "registry"}], serviceAccountName="pipeline-runner")
    environment = {**KEYS, "AWS_ENDPOINT_URL_S3": "http://minio:9000", "PATH": "/bin", "OSTINATO_GIT_SHA": "0123abc"}
    assert train_job(node_job(), "ClusterTrainingRuntime", pod, environment) == {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": "ostinato-0123456789abcdef",
            "labels": {"app.kubernetes.io/managed-by": "ostinato"},
        },
        "spec": {
            "runtimeRef": {
                "apiGroup": "trainer.kubeflow.org",
                "kind": "ClusterTrainingRuntime",
                "name": "torch-distributed",
            },
            "trainer": {
                "image": "registry/train:1",
                "command": [
                    "torchrun",
                    "-m",
                    "ostinato_components.train.node",
                    "s3://b/jobs/x/job.json",
                    "s3://b/jobs/x/errors",
                ],
                "numNodes": 4,
                "numProcPerNode": 8,
                "env": [
                    FROM_SECRET[0],
                    {"name": "AWS_ENDPOINT_URL_S3", "value": "http://minio:9000"},
                    FROM_SECRET[1],
                    {"name": "OSTINATO_IMAGE", "value": "registry/train:1"},
                    {"name": "OSTINATO_GIT_SHA", "value": "0123abc"},
                ],
                "resourcesPerNode": {
                    "limits": {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "8"},
                    "requests": {"cpu": "8"},
                },
            },
            "runtimePatches": [
                {
                    "manager": "ostinato.io/launcher",
                    "trainingRuntimeSpec": {
                        "template": {
                            "spec": {
                                "replicatedJobs": [
                                    {
                                        "name": "node",
                                        "template": {
                                            "spec": {
                                                "template": {
                                                    "spec": {
                                                        "imagePullSecrets": [{"name": "registry"}],
                                                        "tolerations": PLACEMENT.tolerations,
                                                        "nodeSelector": {"pool": "gpu"},
                                                        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
                                                        "containers": [
                                                            {
                                                                "name": "node",
                                                                "volumeMounts": [
                                                                    {"name": "shm", "mountPath": "/dev/shm"}
                                                                ],
                                                            }
                                                        ],
                                                    }
                                                }
                                            }
                                        },
                                    }
                                ]
                            }
                        }
                    },
                }
            ],
        },
    }


def test_the_types_of_the_sdk_know_every_part_of_it():
    body = train_job(node_job(), "TrainingRuntime", own_pod(FROM_SECRET), KEYS)
    known = models.TrainerV1alpha1TrainJob.from_dict(body).to_dict()
    # Quantities are a type of their own there.
    body["spec"]["trainer"].pop("resourcesPerNode")
    known["spec"]["trainer"].pop("resourcesPerNode")
    assert known == body


def test_no_accelerator_is_none_and_not_a_device_of_which_there_are_0():
    placement = Placement(resources={"limits": {"cpu": "4", "nvidia.com/gpu": "0"}})
    body = train_job(node_job(placement), "ClusterTrainingRuntime", own_pod(), {})
    assert body["spec"]["trainer"]["resourcesPerNode"] == {"limits": {"cpu": "4"}}
    assert devices(placement) == 0


def test_without_resources_the_runtime_decides():
    body = train_job(node_job(Placement()), "ClusterTrainingRuntime", own_pod(), {})
    assert "resourcesPerNode" not in body["spec"]["trainer"]


def test_accelerators_of_any_maker_are_counted():
    assert devices(PLACEMENT) == 8
    assert devices(Placement(resources={"limits": {"cpu": "4", "amd.com/gpu": "2"}})) == 2


def test_a_limit_without_cpus_is_an_error_that_says_what_to_do():
    placement = Placement(resources={"limits": {"memory": "8Gi"}})
    with pytest.raises(ConfigError, match="set_cpu_limit"):
        train_job(node_job(placement), "ClusterTrainingRuntime", own_pod(), {})


def test_a_secret_by_value_is_refused_and_not_shown():
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY, which this step has by value") as caught:
        own_pod().storage_environment(KEYS)
    assert "s3cr3t" not in str(caught.value)
    declared = [{"name": name, "value": value} for name, value in KEYS.items()]
    with pytest.raises(ConfigError, match="by value"):
        own_pod(declared).storage_environment(KEYS)
    with pytest.raises(ConfigError, match="by value"):
        OwnPod({}).storage_environment(KEYS)


def test_a_secret_all_of_whose_keys_are_variables_is_handed_on_by_key():
    pod = OwnPod({"spec": {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "s3"}}]}]}})
    region, token = pod.storage_environment({"AWS_SESSION_TOKEN": "t", "AWS_REGION": "eu"})
    assert token["valueFrom"] == {"secretKeyRef": {"name": "s3", "key": "AWS_SESSION_TOKEN"}}
    assert region == {"name": "AWS_REGION", "value": "eu"}


def test_where_it_cannot_be_told_which_secret_it_was_it_is_refused():
    both = [{"secretRef": {"name": "one"}}, {"secretRef": {"name": "two"}}]
    pod = OwnPod({"spec": {"containers": [{"name": "main", "envFrom": both}]}})
    with pytest.raises(ConfigError, match="by value"):
        pod.storage_environment({"AWS_SESSION_TOKEN": "t"})


def test_files_are_not_handed_on():
    names = {"AWS_CA_BUNDLE": "/ca", "AWS_SHARED_CREDENTIALS_FILE": "/c", "AWS_REGION": "eu"}
    assert own_pod().storage_environment(names) == [{"name": "AWS_REGION", "value": "eu"}]


def test_who_has_the_right_by_a_service_account_gives_the_nodes_that_account():
    pod = own_pod(serviceAccountName="trainer")
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:…", "AWS_REGION": "eu"}
    body = train_job(node_job(), "ClusterTrainingRuntime", pod, environment)
    (patch,) = body["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["template"]["spec"]["template"]["spec"]["serviceAccountName"] == "trainer"
    assert body["spec"]["trainer"]["env"] == [
        {"name": "AWS_REGION", "value": "eu"},
        {"name": "OSTINATO_IMAGE", "value": "registry/train:1"},
    ]
    assert pod.service_account({}) == ""
