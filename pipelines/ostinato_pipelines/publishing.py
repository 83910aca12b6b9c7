"""Every step as a component that others take: `component.yaml`, `metadata.yaml`, `README.md` in a folder each.

The shape is that of kubeflow/pipelines-components.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kfp.dsl.python_component import PythonComponent

import ostinato_components
from ostinato import __version__
from ostinato_pipelines.compile import component_text, named_images, write_file

STABILITY = "beta"
LAST_VERIFIED = "2026-11-24T00:00:00Z"
"""When all components last ran; components verified more than a year ago are taken out of Kubeflow's collection."""
_KUBEFLOW = {"Pipelines": ">=2.17.0"}
_KUBEFLOW_MORE = {"train_nodes": {"Trainer": ">=2.2.0"}}
"""By component: what of Kubeflow it needs besides."""
_TYPES = {
    "STRING": "str",
    "NUMBER_INTEGER": "int",
    "NUMBER_DOUBLE": "float",
    "BOOLEAN": "bool",
    "LIST": "list",
    "STRUCT": "dict",
    "TASK_CONFIG": "dsl.TaskConfig",
    "TASK_FINAL_STATUS": "dsl.PipelineTaskFinalStatus",
}
"""KFP's name of a type -> Python's."""


def components() -> dict[str, PythonComponent]:
    """Every component of every step, by name."""
    steps = sorted(module.name for module in pkgutil.iter_modules(ostinato_components.__path__) if module.ispkg)
    modules = [importlib.import_module(f"ostinato_components.{step}.component") for step in steps]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, PythonComponent)]
    return {component.python_func.__name__: component for component in found}


def publish(folder: Path, image_data: str | None = None, image_train: str | None = None) -> list[str]:
    """Writes all components below a folder, with images as `compile_pipeline` takes them; the names.

    Raises:
        ConfigError: a file can't be written.
    """
    images = named_images(image_data, image_train)
    found = components()
    for name, component in found.items():
        for file, text in files(name, component, images).items():
            write_file(folder / name / file, text)
    return list(found)


def files(name: str, component: PythonComponent, images: Mapping[str, str] | None = None) -> dict[str, str]:
    """The three files of a component, by their name."""
    compiled = component_text(component, images)
    return {
        "component.yaml": f"# Component {name} of Ostinato {__version__}\n{compiled}",
        "metadata.yaml": metadata(name),
        "README.md": readme(name, inspect.getdoc(component.python_func) or "", yaml.safe_load(compiled)),
    }


def metadata(name: str) -> str:
    """What Kubeflow's collection of components asks for, its keys in the order that it asks for."""
    lines = ["---", f"name: {name}", f"stability: {STABILITY}", "dependencies:", "  kubeflow:"]
    for product, version in _needs(name).items():
        lines += [f"    - name: {product}", f'      version: "{version}"']
    return "\n".join([*lines, "tags:", "  - ostinato", "  - deep_learning", f"lastVerified: {LAST_VERIFIED}", ""])


def readme(name: str, docstring: str, compiled: Mapping[str, Any]) -> str:
    """The component for people, made of its docstring and its interface."""
    (interface,) = compiled["components"].values()
    (executor,) = compiled["deploymentSpec"]["executors"].values()
    inputs = [
        f"| `{key}` | `{_type(entry)}` | {_default(entry)} | {_text(entry)} |"
        for key, entry in _entries(interface.get("inputDefinitions", {}))
    ]
    outputs = [
        f"| `{key}` | `{_type(entry)}` | {_text(entry)} |"
        for key, entry in _entries(interface.get("outputDefinitions", {}))
    ]
    lines = [
        f"# {name.replace('_', ' ').capitalize()}",
        "",
        "## Overview",
        "",
        docstring.partition("\n\nArgs:")[0],
        "",
        "## Inputs",
        "",
        "| Parameter | Type | Default | Description |",
        "|---|---|---|---|",
        *inputs,
        "",
        "## Outputs",
        "",
        *(["| Name | Type | Description |", "|---|---|---|", *outputs] if outputs else ["None."]),
        "",
        "## Usage",
        "",
        "```python",
        "from kfp import components",
        "",
        f'{name} = components.load_component_from_file("{name}/component.yaml")',
        "```",
        "",
        "## Metadata",
        "",
        f"- **Name**: {name}",
        f"- **Stability**: {STABILITY}",
        f"- **Version**: Ostinato {__version__}",
        f"- **Image**: `{executor['container']['image']}`",
        f"- **Dependencies**: {', '.join(f'Kubeflow {key} {version}' for key, version in _needs(name).items())}",
        f"- **Last verified**: {LAST_VERIFIED}",
        "",
    ]
    return "\n".join(lines)


def _needs(name: str) -> dict[str, str]:
    return _KUBEFLOW | _KUBEFLOW_MORE.get(name, {})


def _entries(definitions: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Artifacts, then parameters."""
    return [(name, entry) for kind in ("artifacts", "parameters") for name, entry in definitions.get(kind, {}).items()]


def _type(entry: Mapping[str, Any]) -> str:
    if "artifactType" in entry:
        return f"dsl.{entry['artifactType']['schemaTitle'].removeprefix('system.')}"
    return _TYPES[entry["parameterType"]]


def _default(entry: Mapping[str, Any]) -> str:
    if "defaultValue" not in entry:
        return "" if entry.get("isOptional") else "required"
    value = entry["defaultValue"]
    return f"`{int(value) if entry['parameterType'] == 'NUMBER_INTEGER' else value!r}`"


def _text(entry: Mapping[str, Any]) -> str:
    return " ".join(entry["description"].split()).replace("|", "\\|")
