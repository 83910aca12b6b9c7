"""The way to Kubeflow Pipelines: where it is, who we are, and its errors in plain words."""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import kfp
import tenacity
import urllib3
from kfp_server_api import ApiException, V2beta1Experiment
from kubernetes.config import ConfigException

from ostinato.errors import ConfigError, OstinatoError, Problem

TIMEOUT_S = 15.0
POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""In a pod, the file that names its namespace."""
TRANSIENT = (429, 500, 502, 503, 504)
"""Answers that may be another one a moment later."""
CONFLICT = 409
"""The answer where something of that name is there."""
_DENIED = (401, 403)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Place:
    """Where the runs are to be; empty for what the environment says."""

    host: str = ""
    namespace: str = ""
    kube_context: str = ""
    token_file: str = ""
    ca_cert: str = ""


class NoAddress(ConfigError):
    """Nothing says where Kubeflow Pipelines is."""


class Backend(kfp.Client):  # type: ignore[misc]
    """kfp's client. kfp asks for the server's health when it is made, with tracebacks and for 25 seconds."""

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """What the server says of itself; kfp's own answer leaves out the version."""
        answer = self._healthz_api.healthz_service_get_healthz(_preload_content=False, _request_timeout=TIMEOUT_S)
        said = json.loads(answer.data)
        if not isinstance(said, dict):
            raise ValueError("no object")
        return SimpleNamespace(tag_name=said.get("tag_name", ""), multi_user=said.get("multi_user", False))


@dataclass(frozen=True)
class Connection:
    """A backend that was reached."""

    where: str
    """For messages: its address."""
    namespace: str
    """Of the runs; empty where the backend knows only one."""
    backend: Any
    """kfp's client."""

    def repeated(self, request: Callable[[], Answer]) -> Answer:
        """The answer to a request that may be sent twice: sent again while the backend is only for a moment away.

        Raises:
            OstinatoError: it refuses, or is away for long.
        """
        again = tenacity.retry(
            retry=tenacity.retry_if_exception(is_transient),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_after_delay(60),
            reraise=True,
        )
        with explained(self.where):
            return again(request)()

    def once(self, request: Callable[[], Answer]) -> Answer:
        """The answer to a request that must not be sent twice; one that got lost does not say what was done.

        Raises:
            OstinatoError: the backend refuses or can't be reached.
        """
        with explained(self.where):
            return request()

    def experiment(self, name: str) -> str:
        """Id of the experiment of that name, which is made where there is none."""

        def get_or_make() -> V2beta1Experiment:
            try:
                # kfp's own prints a link.
                return silently(lambda: self.backend.create_experiment(name, namespace=self.namespace or None))
            except ApiException as error:
                if error.status != CONFLICT:
                    raise
                # Another one made it at the same time.
                return self.backend.get_experiment(experiment_name=name, namespace=self.namespace or None)

        return str(self.repeated(get_or_make).experiment_id)

    def link(self, run_id: str) -> str:
        """Page of a run."""
        prefix = self.backend._get_url_prefix()
        return f"{prefix}/#/runs/details/{run_id}"


def connect(place: Place, environment: Mapping[str, str] = os.environ) -> Connection:
    """Reaches Kubeflow Pipelines: at `host`, as the cluster of a kubeconfig says, or from within a pod.

    A token is read of `token_file`, or of KF_PIPELINES_TOKEN; without one kfp's client does what it is set up for: the
    token of a pod's service account, a login by OIDC that its file of contexts knows, or nothing.

    Raises:
        NoAddress: nothing says where it is.
        OstinatoError: it can't be reached, or does not let us in.
    """
    host = place.host or environment.get("KF_PIPELINES_ENDPOINT", "")
    if not host and not has_cluster(environment):
        raise NoAddress("no address of Kubeflow Pipelines: --host, KF_PIPELINES_ENDPOINT, or a kubeconfig")
    where = host or "Kubeflow Pipelines"
    token = Path(place.token_file).read_text().strip() if place.token_file else environment.get("KF_PIPELINES_TOKEN")
    with explained(where), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this client is for KFP 2
        backend = Backend(
            host=host or None,
            existing_token=token or None,
            kube_context=place.kube_context or None,
            ssl_ca_cert=place.ca_cert or None,
        )
    namespace = place.namespace or environment.get("KF_PIPELINES_NAMESPACE", "") or backend.get_user_namespace()
    return Connection(where, namespace, backend)


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Says in plain words what a request came to.

    Raises:
        OstinatoError: the backend refuses, can't be reached, or is none.
    """
    try:
        yield
    except ApiException as error:
        raise OstinatoError(refusal(where, error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise OstinatoError(Problem(where, f"can't be reached: {reason(error)}")) from error
    except ConfigException as error:
        raise ConfigError(Problem(where, f"the kubeconfig can't be used: {error}")) from error
    except (ValueError, TypeError) as error:
        # What kfp makes of an answer that is no JSON, or another one.
        raise OstinatoError(
            Problem(where, "answers, but is no Kubeflow Pipelines", hint="is the address right?")
        ) from error


def refusal(where: str, error: ApiException) -> Problem:
    """What the backend said."""
    said = ""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        said = str(json.loads(error.body).get("message", "")).partition("\n")[0][:300]
    hint = "KF_PIPELINES_TOKEN, --token_file" if error.status in _DENIED else ""
    return Problem(where, f"answers {error.status} {error.reason}" + (f": {said}" if said else ""), hint=hint)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may go through a moment later."""
    if isinstance(error, ApiException):
        return error.status in TRANSIENT
    return isinstance(error, urllib3.exceptions.HTTPError)


def silently(call: Callable[[], Answer]) -> Answer:
    """What kfp prints on the way is not printed."""
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def has_cluster(environment: Mapping[str, str]) -> bool:
    """Whether there is a kubeconfig, or this is a pod."""
    named = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    return POD.exists() or Path(named or "~/.kube/config").expanduser().exists()


def reason(error: BaseException) -> str:
    """Why a connection failed, without the addresses of objects."""
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]
