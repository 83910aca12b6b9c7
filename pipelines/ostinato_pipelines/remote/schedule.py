"""Runs that come again: at times that cron tells."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ostinato.errors import ConfigError, Problem, did_you_mean, listing
from ostinato_pipelines.remote.connection import Connection, silently
from ostinato_pipelines.remote.submission import Version

_FIELD = re.compile(r"[0-9*/,\-?LW#A-Za-z]+")
_PAGE = 100


@dataclass(frozen=True)
class Schedule:
    """When a pipeline runs again, and with what."""

    name: str
    cron: str
    """Six fields: second, minute, hour, day of the month, month, day of the week; in UTC."""
    start: str = ""
    """First moment, RFC 3339; empty for now."""
    end: str = ""
    """Last moment, RFC 3339; empty for none."""
    max_concurrency: int = 1
    """Runs of the schedule at the same time."""
    catch_up: bool = False
    """Whether runs that were missed are made up for."""


def cron_of(text: str) -> str:
    """The six fields that Kubeflow takes; of the five of crontab it makes six, at second 0.

    Raises:
        ConfigError: it is neither.
    """
    fields = text.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6 or not all(_FIELD.fullmatch(field) for field in fields):
        expected = "five fields as crontab has (minute, hour, day, month, weekday), or six with the second before them"
        raise ConfigError(
            Problem("--cron", f"found '{text}'", expected, hint='e.g. "30 2 * * *": each night at 2:30 UTC')
        )
    return " ".join(fields)


def moment(flag: str, text: str) -> str:
    """A moment with its time zone, as RFC 3339 says it; empty stays empty.

    Raises:
        ConfigError: it is none.
    """
    if not text:
        return ""
    expected = "a moment with its time zone: 2027-01-31T02:30:00Z"
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(Problem(flag, f"found '{text}'", expected)) from error
    if when.tzinfo is None:
        raise ConfigError(Problem(flag, f"found '{text}'", expected))
    return when.isoformat()


def put(
    connection: Connection,
    schedule: Schedule,
    version: Version,
    values: Mapping[str, Any],
    *,
    experiment: str,
    service_account: str = "",
) -> str:
    """Makes a schedule, in the place of one of the same name; says what was done: made, changed or kept.

    The new one is there before the old one goes: a night is rather done twice than left out.

    Raises:
        OstinatoError: the backend refuses.
    """
    experiment_id = connection.experiment(experiment)
    settings = [vars(schedule), version.version_id, dict(values), experiment_id, service_account]
    mark = "ostinato:" + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    old = [each for each in _all(connection) if each.display_name == schedule.name]
    if len(old) == 1 and mark in (old[0].description or ""):
        return "kept"
    connection.once(
        lambda: silently(
            lambda: connection.backend.create_recurring_run(
                experiment_id=experiment_id,
                job_name=schedule.name,
                description=mark,
                start_time=schedule.start or None,
                end_time=schedule.end or None,
                cron_expression=schedule.cron,
                max_concurrency=schedule.max_concurrency,
                no_catchup=not schedule.catch_up,
                params=dict(values),
                pipeline_id=version.pipeline_id,
                version_id=version.version_id,
                service_account=service_account or None,
            )
        )
    )
    for each in old:
        _delete(connection, each.recurring_run_id)
    return "changed" if old else "made"


def delete(connection: Connection, name: str) -> None:
    """Takes the schedule of that name away; runs that it started stay.

    Raises:
        ConfigError: there is none.
    """
    for each in _named(connection, name):
        _delete(connection, each.recurring_run_id)


def pause(connection: Connection, name: str, *, paused: bool) -> None:
    """Lets the schedule of that name rest, or go on.

    Raises:
        ConfigError: there is none.
    """
    change = connection.backend.disable_recurring_run if paused else connection.backend.enable_recurring_run
    for each in _named(connection, name):
        connection.repeated(partial(change, each.recurring_run_id))


def listed(connection: Connection) -> list[str]:
    """A line for each schedule: name, state, times, the runs that may go at once."""
    lines = []
    for each in _all(connection):
        cron = each.trigger.cron_schedule.cron if each.trigger and each.trigger.cron_schedule else "by interval"
        state = str(each.status or "").lower() or "enabled"
        lines.append(f"{each.display_name}  {state}  {cron}  at most {each.max_concurrency} at once")
    return sorted(lines)


def _named(connection: Connection, name: str) -> list[Any]:
    there = _all(connection)
    found = [each for each in there if each.display_name == name]
    if not found:
        names = [str(each.display_name) for each in there]
        raise ConfigError(
            Problem(
                "schedule", f"there is none named '{name}'", listing(sorted(names)) or "none", did_you_mean(name, names)
            )
        )
    return found


def _all(connection: Connection) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        page = connection.repeated(
            partial(
                connection.backend.list_recurring_runs,
                page_token=token,
                page_size=_PAGE,
                namespace=connection.namespace or None,
            )
        )
        found += page.recurring_runs or []
        token = page.next_page_token or ""
        if not token:
            return found


def _delete(connection: Connection, identity: str) -> None:
    connection.repeated(lambda: connection.backend.delete_recurring_run(identity))
