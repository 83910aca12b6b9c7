"""From a config to a pipeline package that Kubeflow accepts."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp import compiler
from kfp.pipeline_spec import pipeline_spec_pb2

from ostinato import __version__
from ostinato.backend.kubernetes.spec import KubernetesSpec
from ostinato.backend.spec import BackendSpec
from ostinato.config import Config
from ostinato.contract.file import read_contract, to_json
from ostinato.errors import ConfigError, Problem, listing
from ostinato.load import AFTERWARDS, canonical_json, from_json
from ostinato.lock import IMAGE
from ostinato.packing import MOST_BYTES, check_size, packed
from ostinato.storage import is_local
from ostinato_components.images import DATA_IMAGE, TRAIN_IMAGE
from ostinato_pipelines.pipeline import make_pipeline

UNIVERSAL_NAME = "ostinato"
MOST_CONTRACT_BYTES = 100_000
"""It is one argument of a step, and Linux allows 128 KiB for that, quotes and all."""
MOST_WORKFLOW_BYTES = 1_048_576
"""What Argo writes of one workflow, if not told otherwise; Kubernetes would store 1.5 MiB."""
TASK_BYTES = 35 * 1024
"""What a task without parameters of its own adds to the workflow's state: its component, its two pods."""
COMPRESSION = 8
"""By how much Argo, by gzip and base64, at least shrinks a state that would be too large; tasks say much the same."""


def compile_pipeline(
    document: Mapping[str, Any] | None,
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    image_data: str | None = None,
    image_train: str | None = None,
    kubernetes: KubernetesSpec | None = None,
    git_sha: str = "",
) -> None:
    """Writes the pipeline package, whole or not at all.

    Args:
        document: the config that is baked in; None for the universal pipeline, whose run form asks for one.
        output: the YAML file.
        name: name of the pipeline.
        image_data: image of the steps without torch; default: that of the config, else `OSTINATO_IMAGE_DATA`, else that
            of this version.
        image_train: image of the steps with torch; default: likewise, with `OSTINATO_IMAGE_TRAIN`.
        kubernetes: in place of `backend.kubernetes` of the config.
        git_sha: the commit that the lock record of the model names; no part of any cache key.

    Raises:
        ConfigError: the config is too large to travel, or the file can't be written.
    """
    text = pipeline_text(
        document,
        name=name,
        image_data=image_data,
        image_train=image_train,
        kubernetes=kubernetes,
        git_sha=git_sha,
    )
    write_file(Path(output), text)


def name_by_file(source: str | None) -> str:
    """What a pipeline is called by its config file: as the folder is; without a file as the universal one."""
    return (Path(source).absolute().parent.name or Path(source).stem) if source else UNIVERSAL_NAME


def write_file(target: Path, text: str) -> None:
    """Writes a file, whole or not at all.

    Raises:
        ConfigError: it can't be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise ConfigError(Problem(str(target), f"can't be written: {error.strerror}")) from error


def pipeline_text(
    document: Mapping[str, Any] | None,
    *,
    name: str | None = None,
    image_data: str | None = None,
    image_train: str | None = None,
    kubernetes: KubernetesSpec | None = None,
    git_sha: str = "",
) -> str:
    """The pipeline package as YAML; the same input gives the same text."""
    config, backend, contract, has_gate, sections = "", BackendSpec(), None, False, {}
    if document is not None:
        loaded = from_json(canonical_json(document))
        backend, has_gate, contract = loaded.backend, loaded.gate is not None, contract_text(loaded)
        sections = {name: section for name in AFTERWARDS if (section := getattr(loaded, name)) is not None}
        # They are applied here, and so no part of what a run is keyed on.
        rest = {key: value for key, value in without_kubernetes(document).items() if key not in AFTERWARDS}
        config = packed(canonical_json(rest))
        check_size(config)
    if kubernetes is not None:
        backend = backend.model_copy(update={"kubernetes": kubernetes})
    named = backend.kubernetes.images
    images = named_images(image_data or named.data, image_train or named.train)
    pipeline = make_pipeline(
        pipeline_name(name or UNIVERSAL_NAME),
        describe(document),
        config,
        backend=backend,
        nodes_image=images[TRAIN_IMAGE],
        contract=contract,
        has_gate=has_gate,
        git_sha=git_sha,
        registry=sections.get("registry"),
        notification=sections.get("notify"),
    )
    text = component_text(pipeline, images, tell_image=True)
    check_package(text)
    return text


def contract_text(config: Config) -> str | None:
    """The contract of the data as it travels with the pipeline; empty where the step reads it, None for none.

    Raises:
        ConfigError: there is none at that path, it is wrong, or too large to travel.
    """
    if config.data_contract is None:
        return None
    path = config.data_contract.path
    if not is_local(path):
        return ""
    # As JSON, where `{{$` can be said otherwise: KFP would take it for a placeholder.
    text = packed(to_json(read_contract(path)).replace("{{$", r"\u007b{$"))
    size = len(json.dumps(text).encode())
    if size > MOST_BYTES:
        message = f"has {size:,} bytes, compressed, and a pipeline can carry {MOST_BYTES:,}"
        raise ConfigError(Problem(path, message, hint="put it into a bucket, and name its URI in data_contract.path"))
    return text


def without_kubernetes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without `backend.kubernetes`."""
    backend = document.get("backend")
    if not isinstance(backend, Mapping) or "kubernetes" not in backend:
        return dict(document)
    rest = {key: value for key, value in backend.items() if key != "kubernetes"}
    return {**document, "backend": rest} if rest else {key: document[key] for key in document if key != "backend"}


def named_images(image_data: str | None = None, image_train: str | None = None) -> dict[str, str]:
    """The image of this version -> the image to take in its place: as named, else by the environment."""
    return {
        DATA_IMAGE: image_data or os.environ.get("OSTINATO_IMAGE_DATA") or DATA_IMAGE,
        TRAIN_IMAGE: image_train or os.environ.get("OSTINATO_IMAGE_TRAIN") or TRAIN_IMAGE,
    }


def component_text(component: object, images: Mapping[str, str] | None = None, *, tell_image: bool = False) -> str:
    """A component or pipeline as YAML with every string quoted, other images in place.

    With `tell_image` each container knows its image. A component can't have that: kfp 2.17 takes no component with
    variables into a pipeline.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "package.yaml"
        compiler.Compiler().compile(component, str(path))
        compiled = path.read_text(encoding="utf-8")
    documents = list(yaml.safe_load_all(compiled))
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        container = executor["container"]
        container["image"] = (images or {}).get(container["image"], container["image"])
        if tell_image:  # no harm to KFP's cache key, which holds the image anyway
            container.setdefault("env", []).append({"name": IMAGE, "value": container["image"]})
    return yaml.dump_all(
        documents, Dumper=QuotingDumper, allow_unicode=True, width=120, explicit_start=len(documents) > 1
    )


class QuotingDumper(yaml.SafeDumper):
    """Quotes every string, and writes no anchors.

    PyYAML leaves `1e-3` bare, since YAML 1.1 reads it as a string; the API server reads YAML 1.2, and gets a number.
    """

    def ignore_aliases(self, data: object) -> bool:
        """True: an anchor is one more thing that two readers may understand in two ways."""
        return True


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def check_package(text: str) -> None:
    """Raises ConfigError where the package is too large; asserts that it is what the backend reads."""
    size = workflow_bytes(text)
    if size > MOST_WORKFLOW_BYTES:
        message = f"would make a workflow of about {size:,} bytes, and Argo takes {MOST_WORKFLOW_BYTES:,}"
        raise ConfigError(Problem("the compiled pipeline", message, hint="fewer backend.preprocessing.shards"))
    # BaseLoader reads every scalar as a string, so what is quoted and what is not must be told by the quotes.
    documents = list(yaml.load_all(text, Loader=Yaml12Loader))
    spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
    assert spec.root.WhichOneof("implementation") == "dag"
    for platform in documents[1:]:
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())


def workflow_bytes(text: str) -> int:
    """About what Argo's workflow of a package grows to.

    It holds the package as texts within texts. The state of each task has its parameters three times (the patch of its
    pod, given and taken), escaped thrice; of these, only the config is large, and four tasks have it.
    """
    package = list(yaml.safe_load_all(text))
    config = package[0]["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"]
    escaped = json.dumps(json.dumps(json.dumps(config)))
    plan = 2 * len(json.dumps(package))
    state = count_tasks(package[0]) * TASK_BYTES + 4 * 3 * len(escaped)
    return plan + (state if plan + state <= MOST_WORKFLOW_BYTES else state // COMPRESSION)


def count_tasks(package: Mapping[str, Any]) -> int:
    """Tasks of a run; those of a loop as often as `backend.preprocessing.shards` says."""
    dags = {name: part["dag"]["tasks"] for name, part in package["components"].items() if "dag" in part}
    every = [package["root"]["dag"]["tasks"], *dags.values()]
    plans = [tasks["preprocess-plan"] for tasks in every if "preprocess-plan" in tasks]
    shards = [int(plan["inputs"]["parameters"]["shards"]["runtimeValue"]["constant"]) for plan in plans]
    loops = [task["componentRef"]["name"] for tasks in every for task in tasks.values() if "parameterIterator" in task]
    return sum(map(len, every)) + sum(len(dags[name]) * (times - 1) for name in loops for times in shards)


class Yaml12Loader(yaml.BaseLoader):
    """Reads plain scalars as the YAML 1.2 core schema does, as the API server's reader does."""


_CORE_SCHEMA: list[tuple[str, str, str]] = [
    ("tag:yaml.org,2002:null", r"^(?:null|Null|NULL|~|)$", "nN~"),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
]
for _tag, _pattern, _first in _CORE_SCHEMA:
    Yaml12Loader.add_implicit_resolver(_tag, re.compile(_pattern), [*_first, *([""] if _tag.endswith("null") else [])])
Yaml12Loader.add_constructor("tag:yaml.org,2002:null", lambda loader, node: None)
Yaml12Loader.add_constructor("tag:yaml.org,2002:bool", lambda loader, node: node.value.lower() == "true")
Yaml12Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value, 0))
Yaml12Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))


def pipeline_name(text: str) -> str:
    """The text as a name that Kubernetes takes: lower case letters, digits and dashes."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    return name or UNIVERSAL_NAME


def describe(document: Mapping[str, Any] | None) -> str:
    """What the pipeline does, in one line."""
    if document is None:
        return f"Trains a model from a declarative config. Ostinato {__version__}."
    inputs, outputs = (list(_names(document[key])) for key in ("input_features", "output_features"))
    return f"Predicts {listing(outputs, 5)} from {listing(inputs, 10)}. Ostinato {__version__}."


def _names(features: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for feature in features:
        yield str(feature["name"])
