"""`compile_pipeline`: names, images, files, sizes."""

import hashlib
import json
import subprocess
import sys
import zlib

import pytest
import yaml

from ostinato.errors import ConfigError
from ostinato.load import from_json, load_config
from ostinato_components.images import DATA_IMAGE, TRAIN_IMAGE
from ostinato_pipelines.compile import (
    MOST_WORKFLOW_BYTES,
    compile_pipeline,
    count_tasks,
    describe,
    pipeline_name,
    pipeline_text,
    workflow_bytes,
)

DOCUMENT = {
    "input_features": [{"name": "width", "type": "number"}],
    "output_features": [{"name": "price", "type": "number"}],
}


def ir(text):
    """The pipeline of a package, without what is said of its pods."""
    return next(iter(yaml.safe_load_all(text)))


def images(text):
    executors = ir(text)["deploymentSpec"]["executors"]
    return {name: executor["container"]["image"] for name, executor in executors.items()}


def test_the_config_is_the_default_of_an_input():
    inputs = ir(pipeline_text(DOCUMENT))["root"]["inputDefinitions"]["parameters"]
    assert json.loads(inputs["config"]["defaultValue"]) == DOCUMENT


def test_the_universal_pipeline_asks_for_a_config():
    package = ir(pipeline_text(None))
    assert package["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"] == ""
    assert package["pipelineInfo"]["name"] == "ostinato"


def test_name_and_description_tell_what_it_does():
    package = ir(pipeline_text(DOCUMENT, name="House Prices (v2)"))
    assert package["pipelineInfo"]["name"] == "house-prices-v2"
    assert package["pipelineInfo"]["description"].startswith("Predicts price from width.")


@pytest.mark.parametrize(
    ("text", "name"), [("Häuser_2", "h-user-2"), ("---", "ostinato"), ("価格", "ostinato"), ("a" * 99, "a" * 60)]
)
def test_any_text_becomes_a_name_that_kubernetes_takes(text, name):
    assert pipeline_name(text) == name


def test_many_features_are_counted_in_the_description():
    many = {**DOCUMENT, "input_features": [{"name": f"c{number}", "type": "number"} for number in range(40)]}
    assert "(30 more)" in describe(many)


def test_images_can_be_named(monkeypatch):
    assert set(images(pipeline_text(DOCUMENT)).values()) == {DATA_IMAGE, TRAIN_IMAGE}
    monkeypatch.setenv("OSTINATO_IMAGE_TRAIN", "registry/train:1")
    named = images(pipeline_text(DOCUMENT, image_data="registry/data@sha256:1"))
    assert named["exec-preprocess"] == "registry/data@sha256:1"
    assert named["exec-train"] == "registry/train:1"
    assert images(pipeline_text(DOCUMENT, image_train="x:2"))["exec-train"] == "x:2"


def test_a_container_knows_its_image():
    executors = ir(pipeline_text(DOCUMENT, image_train="x@sha256:2"))["deploymentSpec"]["executors"]
    assert executors["exec-train"]["container"]["env"] == [{"name": "OSTINATO_IMAGE", "value": "x@sha256:2"}]


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        compile_pipeline(DOCUMENT, tmp_path / name, name="prices")
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]


def test_a_file_that_cannot_be_written_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        compile_pipeline(DOCUMENT, tmp_path / "file" / "pipeline.yaml")


def test_a_config_too_large_to_travel_is_an_error_of_the_user(tmp_path):
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2500)]
    large = {**DOCUMENT, "input_features": [{"name": name, "type": "number"} for name in names]}
    with pytest.raises(ConfigError, match="60,000"):
        compile_pipeline(large, tmp_path / "pipeline.yaml")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def wide():
    """2,000 columns with names as people give them, which say little twice."""
    words = ["income", "age", "rate", "score", "flag", "delta", "total", "share", "index", "count"]
    names = [f"{words[n % 10]}_{words[n // 10 % 10]}_{zlib.crc32(str(n).encode()):08x}" for n in range(2000)]
    return {**DOCUMENT, "input_features": [{"name": name, "type": "number"} for name in names]}


def test_2000_features_stay_far_under_every_limit(wide):
    text = pipeline_text(wide)
    assert len(text.encode()) < 100_000 < 256 * 1024
    assert workflow_bytes(text) < MOST_WORKFLOW_BYTES * 0.6


def test_2000_features_arrive_as_they_are(wide):
    travelling = ir(pipeline_text(wide))["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"]
    assert len(travelling) < 40_000
    assert load_config("config", text=travelling).document == wide
    assert len(from_json(travelling).input_features) == 2000


def test_tasks_are_counted_as_often_as_a_loop_makes_them():
    assert count_tasks(ir(pipeline_text(DOCUMENT))) == 6
    shared = {**DOCUMENT, "backend": {"storage": "s3://b/o", "preprocessing": {"shards": 5}}}
    # resolve, infer_schema, plan, merge, collect, train, evaluate, export; two loops, and what is in them.
    assert count_tasks(ir(pipeline_text(shared))) == 8 + 2 + 2 * 5


def test_so_many_tasks_that_their_workflow_is_too_large_are_an_error_of_the_user():
    many = {**DOCUMENT, "backend": {"storage": "s3://b/o", "preprocessing": {"shards": 128}}}
    with pytest.raises(ConfigError, match=r"Argo takes 1,048,576\n.*fewer backend.preprocessing.shards"):
        pipeline_text(many)


def test_odd_names_of_columns_arrive_as_they_are():
    names = ["1e-3", "yes", "{{x}}", "a: b", "#c", "ünï", "a\nb", '"q"', "\\", "🙂", "null"]
    odd = {**DOCUMENT, "input_features": [{"name": name, "type": "number"} for name in names]}
    inputs = ir(pipeline_text(odd))["root"]["inputDefinitions"]["parameters"]
    found = json.loads(inputs["config"]["defaultValue"])["input_features"]
    assert [feature["name"] for feature in found] == names


def test_compiling_loads_neither_torch_nor_sklearn_nor_arrow():
    program = f"""
import sys
import zlib
from ostinato_pipelines.compile import pipeline_text
pipeline_text({DOCUMENT!r})
print([name for name in ("torch", "sklearn", "pyarrow", "pandas", "onnx", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
