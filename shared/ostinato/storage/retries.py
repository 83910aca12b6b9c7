"""Trying again what may heal: connections that break off, servers that are too busy.

A request to S3 is tried again by botocore (mode `standard`: exponential backoff with jitter, at most 20 s; 5xx,
SlowDown, connections that fail or are silent). Here is what botocore does not see, a body that breaks off, and
requests to other stores. What can't heal (4xx: no such file, wrong keys) is said at once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

_ATTEMPTS = 6
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 20.0
_TOO_MANY_REQUESTS = 429

_Result = TypeVar("_Result")

logger = logging.getLogger("ostinato.storage")


class BrokenOff(OSError):
    """Less came than was promised; asking again may give the rest."""


def retried(operation: Callable[[], _Result]) -> _Result:
    """The result of the operation, which is tried several times while what it raises may heal."""
    import tenacity

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(heals),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        before_sleep=_log,
        reraise=True,
    )
    return retrying(operation)


def heals(error: BaseException) -> bool:
    """Whether asking again may give another answer."""
    if isinstance(error, BrokenOff):
        return True
    botocore, aiohttp = sys.modules.get("botocore.exceptions"), sys.modules.get("aiohttp")
    chain = list(causes(error))
    if botocore and any(isinstance(one, botocore.BotoCoreError | botocore.ClientError) for one in chain):
        return False  # botocore has tried again
    statuses = [status for one in chain if isinstance(status := getattr(one, "status", None), int)]
    if statuses:
        return any(status >= 500 or status == _TOO_MANY_REQUESTS for status in statuses)
    kinds = (
        ConnectionError,
        TimeoutError,
        *((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) if aiohttp else ()),
    )
    return any(isinstance(one, kinds) for one in chain)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came from, what that came from …"""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _log(state: object) -> None:
    outcome = getattr(state, "outcome", None)
    error = outcome.exception() if outcome is not None else None
    logger.debug("trying again: %s", type(error).__name__)
