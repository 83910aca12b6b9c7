"""Steps as components that others take: three files each, made from docstring and interface."""

import re
from pathlib import Path

import pytest
import yaml
from kfp import components

from ostinato import __version__
from ostinato_components.images import DATA_IMAGE
from ostinato_pipelines import publishing
from ostinato_pipelines.cli import main

ROOT = Path(__file__).resolve().parents[3]
NAMES = sorted(publishing.components())
DIGEST = f"registry.example/ostinato@sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    assert main(["compile", "--components", str(folder), "--image_data", DIGEST, "--image_train", DIGEST]) == 0
    return folder


def test_every_component_of_every_step_is_published():
    assert {path.parent.name for path in (ROOT / "components").glob("*/component.yaml")} == set(NAMES)
    assert {"resolve", "preprocess", "preprocess_plan", "train", "evaluate", "export"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_images_go_by_the_digest_that_is_named(published, name):
    text = (published / name / "component.yaml").read_text()
    (executor,) = yaml.safe_load(text)["deploymentSpec"]["executors"].values()
    assert executor["container"]["image"] == DIGEST
    assert "env" not in executor["container"], "kfp 2.17 takes no component with variables into a pipeline"
    assert DIGEST in (published / name / "README.md").read_text()
    assert "ghcr.io" not in text


@pytest.mark.parametrize("name", NAMES)
def test_kfp_loads_the_published_file_with_the_interface_of_the_code(name):
    loaded = components.load_component_from_file(str(ROOT / f"components/{name}/component.yaml"))
    code = publishing.components()[name].component_spec
    assert set(loaded.component_spec.inputs or {}) == set(code.inputs or {})
    assert set(loaded.component_spec.outputs or {}) == set(code.outputs or {})


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_are_those_that_kubeflows_collection_asks_for(name):
    text = (ROOT / f"components/{name}/metadata.yaml").read_text()
    found = yaml.safe_load(text)
    assert text.startswith("---\n")
    assert not text.endswith("\n\n")
    assert list(found) == ["name", "stability", "dependencies", "tags", "lastVerified"]
    assert found["name"] == name
    assert found["stability"] in {"experimental", "alpha", "beta", "stable"}
    versions = {entry["name"]: entry["version"] for entry in found["dependencies"]["kubeflow"]}
    assert "Pipelines" in versions
    assert all(re.fullmatch(r"(>=|<=|==)\d+\.\d+\.\d+", version) for version in versions.values())
    assert found["lastVerified"].tzinfo is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_tells_every_input_and_output_and_the_version(name):
    text = (ROOT / f"components/{name}/README.md").read_text()
    spec = publishing.components()[name].component_spec
    missing = [key for key in (*(spec.inputs or {}), *(spec.outputs or {})) if f"| `{key}` |" not in text]
    assert missing == []
    assert f"Ostinato {__version__}" in text
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings == ["Overview", "Inputs", "Outputs", "Usage", "Metadata"]


def test_a_default_stands_as_python_writes_it():
    text = (ROOT / "components/train/README.md").read_text()
    assert "| `seed` | `int` | `42` |" in text
    assert "| `digest` | `str` | `''` |" in text
    assert "| `config` | `str` | required |" in text
    assert "| `data` | `dsl.Dataset` | required |" in text


def test_images_of_the_environment_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("OSTINATO_IMAGE_DATA", "mirror/data:1")
    publishing.publish(tmp_path)
    assert "mirror/data:1" in (tmp_path / "resolve/component.yaml").read_text()
    assert DATA_IMAGE not in (tmp_path / "resolve/component.yaml").read_text()


@pytest.mark.parametrize("more", [["--universal"], ["config.yaml"], ["--name", "x"], ["--git_sha", "x"]])
def test_components_take_images_only(tmp_path, capsys, more):
    assert main(["compile", "--components", str(tmp_path / "out"), *more]) == 2
    assert "--components" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_user(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["compile", "--components", str(tmp_path / "file")]) == 2
    assert "can't be written" in capsys.readouterr().err
