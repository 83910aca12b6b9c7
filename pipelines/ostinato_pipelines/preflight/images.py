"""Whether an image is there: asked of its registry, by the HTTP API v2 (OCI distribution), without Docker."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from ostinato.errors import ConfigError, Problem
from ostinato_pipelines.preflight.check import CouldNotCheck

TIMEOUT_S = 15.0
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"
_KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_NAME = re.compile(
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>\w+:[0-9a-fA-F]{32,}))?"
)


@dataclass(frozen=True)
class Image:
    """The parts of an image's name."""

    registry: str
    repository: str
    reference: str
    """Digest, or tag."""

    @property
    def manifest(self) -> str:
        """Its address."""
        is_here = self.registry.partition(":")[0] in ("localhost", "127.0.0.1")
        host = _HUB_API if self.registry == _HUB else self.registry
        return f"{'http' if is_here else 'https'}://{host}/v2/{self.repository}/manifests/{self.reference}"


def parse(name: str) -> Image:
    """The image of a name, as Docker reads it.

    Raises:
        ConfigError: it is no name of an image.
    """
    head, slash, rest = name.partition("/")
    has_registry = bool(slash) and (":" in head or "." in head or head == "localhost")
    registry, path = (head, rest) if has_registry else (_HUB, name)
    found = _NAME.fullmatch(path)
    if found is None:
        raise ConfigError(Problem(name, "is no name of an image", "e.g. registry.example.com/team/ostinato-train:1"))
    repository = found["repository"]
    if registry == _HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Image(registry, repository, found["digest"] or found["tag"] or "latest")


def check_image(name: str) -> str:
    """That the image is there.

    Raises:
        ConfigError: the registry says that it is not.
        CouldNotCheck: the registry can't be reached, or tells only those whom it knows.
    """
    image = parse(name)
    try:
        status, challenge = _ask(image.manifest)
        if status == 401 and challenge.lower().startswith("bearer "):
            status, _ = _ask(image.manifest, _token(challenge, image))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CouldNotCheck(f"{name}: {image.registry} can't be reached from here: {reason}") from error
    if status in (200, 204):
        return f"{name} is there"
    if status == 404:
        raise ConfigError(
            Problem(name, "there is no such image", hint="images/README.md tells how to build and push it")
        )
    if status in (401, 403):
        raise CouldNotCheck(f"{name}: {image.registry} tells nobody without credentials ({status})")
    raise CouldNotCheck(f"{name}: {image.registry} answers {status}")


def _ask(address: str, token: str = "") -> tuple[int, str]:
    """Status of the manifest, and what the registry wants to see first."""
    headers = {"Accept": _KINDS} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(address, headers=headers, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("WWW-Authenticate", "")


def _token(challenge: str, image: Image) -> str:
    """The token that the registry gives to anybody; empty where it gives none."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.get("realm", "")
    if not realm.startswith(("https://", "http://")):
        return ""
    wanted = {"service": fields.get("service", ""), "scope": f"repository:{image.repository}:pull"}
    try:
        with urllib.request.urlopen(f"{realm}?{urllib.parse.urlencode(wanted)}", timeout=TIMEOUT_S) as answer:  # noqa: S310
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return ""
    return str(found.get("token") or found.get("access_token") or "")
