"""`compile_pipeline`: names, images, files, sizes."""

import json
import subprocess
import sys

import pytest
import yaml

from ostinato.errors import ConfigError
from ostinato_components.images import DATA_IMAGE, TRAIN_IMAGE
from ostinato_pipelines.compile import compile_pipeline, describe, pipeline_name, pipeline_text

DOCUMENT = {
    "input_features": [{"name": "width", "type": "number"}],
    "output_features": [{"name": "price", "type": "number"}],
}


def images(text):
    executors = yaml.safe_load(text)["deploymentSpec"]["executors"]
    return {name: executor["container"]["image"] for name, executor in executors.items()}


def test_the_config_is_the_default_of_an_input():
    inputs = yaml.safe_load(pipeline_text(DOCUMENT))["root"]["inputDefinitions"]["parameters"]
    assert json.loads(inputs["config"]["defaultValue"]) == DOCUMENT


def test_the_universal_pipeline_asks_for_a_config():
    package = yaml.safe_load(pipeline_text(None))
    assert package["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"] == ""
    assert package["pipelineInfo"]["name"] == "ostinato"


def test_name_and_description_tell_what_it_does():
    package = yaml.safe_load(pipeline_text(DOCUMENT, name="House Prices (v2)"))
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
    executors = yaml.safe_load(pipeline_text(DOCUMENT, image_train="x@sha256:2"))["deploymentSpec"]["executors"]
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
    large = {**DOCUMENT, "input_features": [{"name": f"column_{n:05}", "type": "number"} for n in range(3000)]}
    with pytest.raises(ConfigError, match="100,000"):
        compile_pipeline(large, tmp_path / "pipeline.yaml")
    assert not list(tmp_path.iterdir())


def test_odd_names_of_columns_arrive_as_they_are():
    names = ["1e-3", "yes", "{{x}}", "a: b", "#c", "ünï", "a\nb", '"q"', "\\", "🙂", "null"]
    odd = {**DOCUMENT, "input_features": [{"name": name, "type": "number"} for name in names]}
    inputs = yaml.safe_load(pipeline_text(odd))["root"]["inputDefinitions"]["parameters"]
    found = json.loads(inputs["config"]["defaultValue"])["input_features"]
    assert [feature["name"] for feature in found] == names


def test_compiling_loads_neither_torch_nor_sklearn_nor_arrow():
    program = f"""
import sys
from ostinato_pipelines.compile import pipeline_text
pipeline_text({DOCUMENT!r})
print([name for name in ("torch", "sklearn", "pyarrow", "pandas", "onnx", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
