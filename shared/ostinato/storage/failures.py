"""What storage raises, said so that a person can mend it. No message repeats what a client or server wrote of keys."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ostinato.errors import DataError, Problem, did_you_mean
from ostinato.storage.address import is_http, is_local, is_s3, local_path
from ostinato.storage.retries import causes
from ostinato.storage.systems import filesystem

_SECRETS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary keys, AWS_SESSION_TOKEN"
_IDENTITY_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_CHANGED = "has changed while it was read; the rows read so far and the rest do not belong together"


class Said(NamedTuple):
    """What was found, and what to do."""

    message: str
    hint: str


_DENIED = Said("permission denied", "check the policies of the bucket and of the user or role")
_UNKNOWN_KEY = Said("the store does not know the access key", f"check {_SECRETS}, and AWS_ENDPOINT_URL_S3")
_EXPIRED = Said("the credentials have expired or are not valid here", f"renew {_SECRETS}")
_REGION = Said("the bucket is in another region", "set AWS_DEFAULT_REGION to the region of the bucket")
_BUSY = Said(
    "the store was too busy or failed, each time it was asked", "try again later; AWS_MAX_ATTEMPTS asks longer"
)
_CODES = {
    "NoSuchBucket": Said("there is no such bucket", "check the name, and AWS_ENDPOINT_URL_S3"),
    "InvalidBucketName": Said("is no name that a bucket can have", "check the URI: s3://bucket/folder/file"),
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": Said("the secret key does not fit the access key", "check AWS_SECRET_ACCESS_KEY"),
    "ExpiredToken": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidClientTokenId": _EXPIRED,
    "RequestTimeTooSkewed": Said(
        "this machine's clock differs from the store's by more than the store allows (15 minutes)",
        "set the clock of this machine; on a cluster, check time synchronization (NTP) of the node",
    ),
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "SlowDown": _BUSY,
    "PreconditionFailed": Said(_CHANGED, "read it again when nobody writes it"),
    "412": Said(_CHANGED, "read it again when nobody writes it"),
}


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what storage raises into a DataError that says what to do; trouble with a local disk stays an OSError."""
    try:
        yield
    except _failures() as error:
        problem = _local_problem(uri, error) if is_local(uri) else _remote_problem(uri, error)
        if problem is None:
            raise
        raise DataError(problem) from error
    except KeyError as error:
        if not is_s3(uri) or error.args != ("Error",):  # how s3fs stumbles over an answer that names no error
            raise
        message = "the answer is none of an S3 store or its token service"
        raise DataError(Problem(uri, message, hint="check AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_STS")) from error


def changed(uri: str) -> DataError:
    """What to say of a file that is not the one that was listed or begun."""
    return DataError(Problem(uri, _CHANGED, hint="read it again when nobody writes it"))


def _failures() -> tuple[type[Exception], ...]:
    """OSError, and what else S3 and HTTP clients raise, of the clients that were ever imported."""
    botocore, aiohttp = sys.modules.get("botocore.exceptions"), sys.modules.get("aiohttp")
    found: list[type[Exception]] = [OSError]
    if botocore is not None:
        found += [botocore.BotoCoreError, botocore.ClientError]
    if aiohttp is not None:
        found += [aiohttp.ClientError]
    return tuple(found)


def _local_problem(uri: str, error: Exception) -> Problem | None:
    match error:
        case FileNotFoundError():
            return Problem(uri, "there is no such file or folder", hint=_nearby(uri))
        case PermissionError():
            hint = "check owner and mode of the file and of its folders (`ls -l`)"
            return Problem(uri, f"permission denied: {error.strerror or error}", hint=hint)
        case IsADirectoryError():
            return Problem(uri, "is a folder, expected a file")
    return None


def _nearby(uri: str) -> str:
    """What lies beside a local file that does not exist."""
    path = Path(local_path(uri)).absolute()
    folder = next((parent for parent in path.parents if parent.is_dir()), None)
    if folder != path.parent:
        return f"the nearest folder that exists is {folder}" if folder else ""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except PermissionError:
        return ""
    return did_you_mean(path.name, names)


def _remote_problem(uri: str, error: Exception) -> Problem:
    if is_http(uri):
        return _web_problem(uri, error)
    if is_s3(uri):
        return _s3_problem(uri, error)
    match error:
        case FileNotFoundError():
            return Problem(uri, "there is no such file, folder or bucket")
        case PermissionError():
            return Problem(uri, "permission denied", hint="check the credentials of the store")
    return Problem(uri, f"can't be read: {error or type(error).__name__}")


def _web_problem(uri: str, error: BaseException) -> Problem:
    """What a web server, or the lack of one, said; fsspec hides it behind a FileNotFoundError."""
    where = uri
    last = list(causes(error))
    status = next((one.status for one in last if isinstance(getattr(one, "status", None), int)), None)  # type: ignore[attr-defined]
    match status:
        case None if not isinstance(last[-1], FileNotFoundError):
            return Problem(where, f"can't be reached: {last[-1]}", hint="check the address and the network")
        case 401 | 403:
            return Problem(where, f"permission denied: the server answers {status}")
        case None | 404 | 410:
            return Problem(where, "there is no such file")
        case _:
            return Problem(where, f"can't be read: the server answers {status}")


def _s3_problem(uri: str, error: Exception) -> Problem:
    client = _client_error(error)
    if client is None:
        return _no_answer(uri, error)
    code = _code(client)
    if client.operation_name.startswith("AssumeRole"):
        hint = f"check the role (AWS_ROLE_ARN), its trust policy, and the token in the file of {_IDENTITY_FILE}"
        return Problem(uri, f"no credentials: the token service refused the web identity ({code})", hint=hint)
    if code in ("400", "403", "404"):  # an answer to HEAD, which has no body to say more
        client = _asked_for_a_reason(uri) or client
        code = _code(client)
    said = _CODES.get(code)
    if code in ("404", "NoSuchKey"):
        return Problem(uri, "there is no such file")
    if code in ("403", "AccessDenied", "AllAccessDisabled"):
        said = _DENIED
    if said is not None:
        return Problem(uri, f"{said.message} ({code})", hint=said.hint)
    status = client.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (500, 502, 503, 504):
        return Problem(uri, f"{_BUSY.message} ({code})", hint=_BUSY.hint)
    message = str(client.response["Error"].get("Message", ""))
    return Problem(uri, f"the store refuses: {code} {message}".rstrip())


def _client_error(error: BaseException) -> Any:
    """What the store answered, if that is the cause; else None."""
    botocore = sys.modules["botocore.exceptions"]
    return next((one for one in causes(error) if isinstance(one, botocore.ClientError)), None)


def _code(client: Any) -> str:
    return str(client.response.get("Error", {}).get("Code", "?"))


def _asked_for_a_reason(uri: str) -> Any:
    """What the store answers to a request whose answer has a body; None where that one succeeds."""
    system, path = filesystem(uri)
    bucket, key, _ = system.split_path(path)
    try:
        if key:
            system.call_s3("get_object", Bucket=bucket, Key=key, Range="bytes=0-0")
        else:
            system.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
    except _failures() as error:
        return _client_error(error)
    return None


def _no_answer(uri: str, error: Exception) -> Problem:
    """Why nothing came from a store of S3."""
    problems = (_without_credentials(uri, one) for one in causes(error))
    if (problem := next((one for one in problems if one is not None), None)) is not None:
        return problem
    match error:
        case FileNotFoundError():
            return Problem(uri, "there is no such file, folder or bucket")
        case IsADirectoryError():
            return Problem(uri, "is a folder, expected a file")
    return _unreachable(uri, error)


def _without_credentials(uri: str, error: BaseException) -> Problem | None:
    """What is wrong with the credentials before anything was asked; None where it is something else."""
    botocore = sys.modules["botocore.exceptions"]
    file = os.environ.get(_IDENTITY_FILE)
    match error:
        case FileNotFoundError() | PermissionError() if file and error.filename == file:
            return Problem(uri, f"no credentials: {file} can't be read", hint=f"it is named by {_IDENTITY_FILE}")
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            hint = f"set {_SECRETS}; FSSPEC_S3_ANON=true reads a public bucket"
            return Problem(uri, "no credentials were found", "keys by environment, file, or web identity", hint)
        case botocore.CredentialRetrievalError() | botocore.InvalidConfigError() | botocore.ProfileNotFound():
            hint = "check AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_ROLE_ARN"
            return Problem(uri, f"no credentials: {error}", hint=hint)
        case botocore.ParamValidationError():
            return Problem(uri, "is no URI of an S3 object", "s3://bucket/folder/file")
    return None


def _unreachable(uri: str, error: Exception) -> Problem:
    botocore = sys.modules["botocore.exceptions"]
    facts = getattr(error, "kwargs", {})
    server = "/".join(facts.get("endpoint_url", "").split("/")[:3])
    at = f" at {server}" if server else ""
    inner = facts.get("error") or error
    if any(isinstance(one, socket.gaierror) for one in (inner, getattr(inner, "os_error", None))):
        hint = "check AWS_ENDPOINT_URL_S3, and whether the pod's DNS knows the name"
        return Problem(uri, f"the name of the server{at} can't be resolved", hint=hint)
    if isinstance(error, botocore.SSLError):
        hint = "AWS_CA_BUNDLE names the file of a certificate authority of your own; http:// is without TLS"
        return Problem(uri, f"the server{at} has no certificate that is trusted here", hint=hint)
    if isinstance(error, botocore.ConnectionError | botocore.HTTPClientError | TimeoutError):
        kind = "can't be reached" if isinstance(error, botocore.EndpointConnectionError) else "does not answer"
        hint = "check AWS_ENDPOINT_URL_S3, and network policies between here and the store"
        return Problem(uri, f"the server{at} {kind}", hint=hint)
    return Problem(uri, f"can't be read: {error or type(error).__name__}")
