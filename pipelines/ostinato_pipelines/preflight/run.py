"""All that can be told of a run before it is submitted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import yaml

from ostinato import storage
from ostinato.backend.spec import BackendSpec
from ostinato.errors import ConfigError, DataError, OstinatoError, Problem
from ostinato.load import LoadedConfig
from ostinato.type_inference import check_dataset
from ostinato_pipelines.compile import MOST_WORKFLOW_BYTES, pipeline_text, workflow_bytes
from ostinato_pipelines.preflight.check import Check, CouldNotCheck, checked
from ostinato_pipelines.preflight.cluster import Namespace, check_backend, needs
from ostinato_pipelines.preflight.images import check_image
from ostinato_pipelines.remote.connection import Place
from ostinato_pipelines.remote.form import filled_in

Made = TypeVar("Made")


def preflight(
    load: Callable[[], LoadedConfig],
    inputs: Mapping[str, str],
    place: Place,
    *,
    image_data: str | None = None,
    image_train: str | None = None,
) -> list[Check]:
    """What came of every check. Where the config is wrong, what does not depend on it is checked all the same.

    Args:
        load: the config, or all its problems.
        inputs: what will be in the run form, by name; the rest is as the package has it.
        place: the cluster.
        image_data: as `ostinato compile` takes it.
        image_train: likewise.

    Raises:
        ConfigError: there is no such input.
    """

    def compiled(document: Mapping[str, Any] | None) -> str:
        return pipeline_text(document, image_data=image_data, image_train=image_train)

    config = _now(load, _about_config)
    loaded, config_check = config
    backend = loaded.config.backend if loaded else BackendSpec()
    made = _now(lambda: compiled(_known(loaded).document), _about_package)
    text, package_check = made
    package = next(iter(yaml.safe_load_all(text or compiled(None))))
    form = filled_in(package, inputs)
    dataset, folder, secret = (str(form[name]).strip() for name in ("dataset", "storage", "s3_secret"))
    folder = folder or backend.storage or ""
    volumes = [volume.mount_path for volume in backend.kubernetes.volumes]
    executors = package["deploymentSpec"]["executors"].values()
    in_s3 = [uri for uri in (dataset, folder) if storage.is_s3(uri)]
    objects = [("secret", name) for name in backend.kubernetes.image_pull_secrets]
    if loaded is not None and (notify := loaded.config.notify) is not None and notify.webhook:
        objects.append(("secret", notify.secret))
    objects += [("volume claim", volume.claim) for volume in backend.kubernetes.volumes]
    checks: list[tuple[str, Callable[[], str]]] = [
        ("config", config_check),
        ("package", package_check),
        ("run form", lambda: _form(form)),
        ("dataset", lambda: _dataset(dataset, loaded, volumes)),
        ("storage", lambda: _storage(folder, volumes)),
        *(
            (f"image {number}", lambda name=name: check_image(name))
            for number, name in enumerate(_images(executors), 1)
        ),
        ("Kubeflow", lambda: check_backend(place)),
        ("S3 keys", lambda: _s3_keys(place, secret, backend.kubernetes.s3_secret_keys, in_s3)),
        ("quota", lambda: Namespace(place).check_quota(_needs(form, backend.trainer.num_nodes))),
    ]
    if objects:
        checks.append(("objects", lambda: Namespace(place).check_objects(objects)))
    return checked(checks)


def _now(make: Callable[[], Made], words: Callable[[Made], str]) -> tuple[Made | None, Callable[[], str]]:
    """What other checks need, None where it could not be made, and the check that tells of it."""
    try:
        made = make()
    except (OstinatoError, CouldNotCheck) as error:
        problem = error

        def fail() -> str:
            raise problem

        return None, fail
    return made, lambda: words(made)


def _known(loaded: LoadedConfig | None) -> LoadedConfig:
    if loaded is None:
        raise CouldNotCheck("the config is wrong")
    return loaded


def _about_config(loaded: LoadedConfig) -> str:
    config = loaded.config
    head = f"{len(config.input_features)} inputs, {len(config.output_features)} outputs"
    return "\n".join([head, *(f"warning: {warning}" for warning in loaded.warnings)])


def _about_package(text: str) -> str:
    size = f"{len(text.encode()):,} bytes"
    return f"{size}; its workflow about {workflow_bytes(text):,} of {MOST_WORKFLOW_BYTES:,}"


def _images(executors: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({executor["container"]["image"] for executor in executors})


def _form(form: Mapping[str, Any]) -> str:
    """That Kubeflow takes what is in the form."""
    problems = []
    for step in ("preprocess", "train"):
        for name, kind, example in (
            (f"{step}_node_selector", dict, '{"pool": "gpu"}'),
            (f"{step}_tolerations", list, '[{"key": "nvidia.com/gpu", "operator": "Exists"}]'),
        ):
            if not isinstance(_value(form[name]), kind):
                problems.append(Problem(name, f"found the text '{form[name]}'", f"JSON, e.g. {example}"))
    if not str(form["s3_secret"]).strip():
        allowed = "a name; there need be no Secret of that name"
        problems.append(Problem("s3_secret", "is empty, and Kubeflow takes no empty name", allowed))
    try:
        amounts = needs(form)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return "; ".join(
        f"{step}: {', '.join(f'{resource} {amount:f}' for resource, amount in resources.items() if amount)}"
        for step, resources in amounts.items()
    )


def _s3_keys(place: Place, secret: str, variables: Mapping[str, str], uris: list[str]) -> str:
    if not variables:
        return "the steps take none from a Secret: backend.kubernetes.s3_secret_keys is empty"
    return Namespace(place).check_s3_secret(secret, variables, uris)


def _needs(form: Mapping[str, Any], num_nodes: int) -> dict[str, dict[str, Decimal]]:
    try:
        return needs(form, num_nodes)
    except ConfigError as error:
        raise CouldNotCheck("the run form is wrong") from error


def _value(given: Any) -> Any:
    """What a text in the form says; None where it is no JSON."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except json.JSONDecodeError:
        return None


def _dataset(uri: str, loaded: LoadedConfig | None, volumes: list[str]) -> str:
    if not uri:
        raise CouldNotCheck("no --dataset given")
    _check_seen_by_pods(uri, volumes)
    if loaded is None:
        files = storage.find(uri)
        found = f"{len(files)} file{'s' * (len(files) != 1)}"
        return f"{found} can be listed; the config is wrong, so no columns were compared"
    check_dataset(loaded.config, uri)
    return f"{uri} can be read, and has the columns of the config"


def _storage(uri: str, volumes: list[str]) -> str:
    if not uri:
        return "none asked for: checkpoints and rows stay with their step"
    _check_seen_by_pods(uri, volumes)
    probe = f"{uri.rstrip('/')}/.preflight-{uuid.uuid4().hex}"
    storage.write_bytes_atomic(probe, b"ostinato preflight")
    storage.remove(probe)
    return f"{uri} can be written"


def _check_seen_by_pods(uri: str, volumes: list[str]) -> None:
    """Raises DataError where a path is of this machine, CouldNotCheck where it is of a volume."""
    if not storage.is_local(uri):
        return
    path = storage.local_path(uri)
    if any(path == volume or path.startswith(f"{volume.rstrip('/')}/") for volume in volumes):
        raise CouldNotCheck(f"{uri} lies on a volume of the cluster")
    hint = "put it into a bucket, or name the volume under backend.kubernetes.volumes"
    raise DataError(Problem(uri, "is a path of this machine, which no pod sees", "s3://, gs://, https://, …", hint))
