"""The interface of every step: what the Kubeflow UI shows, and what a pipeline author gets."""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest
import yaml

from ostinato_components.images import DATA_IMAGE, TRAIN_IMAGE
from ostinato_pipelines.compile import component_text

ROOT = Path(__file__).resolve().parents[2]
IMAGES = {
    "resolve": DATA_IMAGE,
    "infer_schema": DATA_IMAGE,
    "preprocess": DATA_IMAGE,
    "train": TRAIN_IMAGE,
    "train_nodes": DATA_IMAGE,
    "evaluate": TRAIN_IMAGE,
    "export": TRAIN_IMAGE,
    "validate_data": DATA_IMAGE,
    "gate": TRAIN_IMAGE,
    "verdict": DATA_IMAGE,
    "register": TRAIN_IMAGE,
    "notify": DATA_IMAGE,
}
FOLDERS = {
    **{step: step for step in IMAGES},
    **{f"preprocess_{task}": "preprocess" for task in ("plan", "analyze", "merge", "encode", "collect")},
}
"""Component -> folder of its step."""
STEPS = list(FOLDERS)
FILLED_IN = {"TASK_CONFIG", "TASK_FINAL_STATUS"}
"""Types of what is no input of the form: Kubeflow fills it in."""


def component(step):
    return getattr(importlib.import_module(f"ostinato_components.{FOLDERS[step]}.component"), step)


def compiled(step):
    return yaml.safe_load(component_text(component(step)))


def test_every_folder_of_a_step_has_a_component():
    folders = {path.parent.name for path in (ROOT / "components/ostinato_components").glob("*/__init__.py")}
    assert folders == set(FOLDERS.values())


@pytest.mark.parametrize("step", STEPS)
def test_every_input_and_output_has_a_description(step):
    interface = compiled(step)["components"][f"comp-{step.replace('_', '-')}"]
    described = [
        (kind, name, bool(entry.get("description", "").strip()))
        for kind in ("inputDefinitions", "outputDefinitions")
        for group in interface.get(kind, {}).values()
        for name, entry in group.items()
    ]
    assert described
    assert all(is_described for _, _, is_described in described), described
    assert component(step).component_spec.description


@pytest.mark.parametrize("step", STEPS)
def test_the_image_is_that_of_this_version_and_nothing_is_installed(step):
    container = compiled(step)["deploymentSpec"]["executors"][f"exec-{step.replace('_', '-')}"]["container"]
    assert container["image"] == IMAGES[FOLDERS[step]]
    assert not re.search(r"\bpip\b", " ".join(container["command"]))


@pytest.mark.parametrize("step", STEPS)
def test_a_body_imports_nothing_but_ours_and_has_no_logic(step):
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(component(step).python_func))).body
    modules = [node.module for node in ast.walk(function) if isinstance(node, ast.ImportFrom)]
    assert modules
    assert all(module.partition(".")[0] in {"ostinato", "ostinato_components"} for module in modules)
    assert not [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.While | ast.Try | ast.Lambda)]
    body = [node for node in function.body if not isinstance(node, ast.Expr | ast.ImportFrom)]
    assert [type(node) for node in body] == [ast.With]
    assert len([node for node in ast.walk(function) if isinstance(node, ast.stmt)]) <= 20


@pytest.mark.parametrize("step", STEPS)
def test_parameters_are_scalars_or_lists_of_names_with_names_that_yaml_leaves_alone(step):
    interface = compiled(step)["components"][f"comp-{step.replace('_', '-')}"]
    parameters = interface["inputDefinitions"].get("parameters", {})
    allowed = {"STRING", "NUMBER_INTEGER", "BOOLEAN", "LIST", *FILLED_IN}
    assert all(entry["parameterType"] in allowed for entry in parameters.values())
    assert not {"y", "n", "yes", "no", "on", "off", "true", "false", "null"} & set(parameters)


@pytest.mark.parametrize("step", STEPS)
def test_an_optional_parameter_has_a_real_default(step):
    interface = compiled(step)["components"][f"comp-{step.replace('_', '-')}"]
    for name, entry in interface["inputDefinitions"].get("parameters", {}).items():
        is_filled_in = entry["parameterType"] in FILLED_IN
        assert not entry.get("isOptional") or "defaultValue" in entry or is_filled_in, name


def test_the_text_of_a_component_does_not_depend_on_the_process():
    assert component_text(component("train")) == component_text(component("train"))
