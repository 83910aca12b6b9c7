"""A check before a run is submitted: it went well, it failed, or it could not be made, which is neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from ostinato.errors import OstinatoError

OK, FAILED, NOT_CHECKED = "ok", "failed", "not checked"


class CouldNotCheck(Exception):
    """Why nothing can be said."""


@dataclass(frozen=True)
class Check:
    """What came of a check."""

    name: str
    state: str
    """`ok`, `failed` or `not checked`."""
    text: str
    exit_code: int = 0

    def __str__(self) -> str:
        return f"{self.state:<11}  {self.name:<18}  " + self.text.replace("\n", "\n" + " " * 33)


def checked(checks: Sequence[tuple[str, Callable[[], str]]]) -> list[Check]:
    """What came of each check, in their order; they are made side by side."""
    with ThreadPoolExecutor(max_workers=max(len(checks), 1)) as pool:
        return list(pool.map(lambda each: _attempt(*each), checks))


def _attempt(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, OK, check())
    except CouldNotCheck as reason:
        return Check(name, NOT_CHECKED, str(reason))
    except OstinatoError as error:
        return Check(name, FAILED, str(error), error.exit_code)


def exit_code(checks: Sequence[Check]) -> int:
    """That of the first check that failed; 0 where none did."""
    return next((check.exit_code for check in checks if check.state == FAILED), 0)


def as_text(checks: Sequence[Check]) -> str:
    """A line or more for each check, and a sum."""
    states = [check.state for check in checks]
    counts = ", ".join(f"{states.count(state)} {state}" for state in (OK, FAILED, NOT_CHECKED) if state in states)
    return "\n".join([*map(str, checks), "", counts])


def as_json(checks: Sequence[Check]) -> str:
    """The same for programs."""
    value = {"exit_code": exit_code(checks), "checks": [asdict(check) for check in checks]}
    return json.dumps(value, indent=2, ensure_ascii=False)
