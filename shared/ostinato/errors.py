"""Errors that a user can cause.

    OstinatoError          exit code 1
    ├── ConfigError        2  the config or the command line is wrong
    ├── DataError          3  the data is wrong, missing or may not be read
    ├── Interrupted        4  stopped from outside; resuming is possible
    └── GateError          5  a gate said no

What only the program can cause is an `assert`, never one of these.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

_USER = re.compile(r"(?<=://)[^/@\s]*@")
# Signatures of presigned addresses, tokens of shared access: the query of a web address may let anybody in.
_QUERY = re.compile(r"(https?://[^\s?\"']*)\?[^\s\"']*=[^\s\"']*")


def shown(text: str) -> str:
    """A URI, or a text that holds some, without what lets others in: user and password, signed queries.

    >>> shown("https://me:secret@host/a.csv?X-Amz-Signature=abc")
    'https://…@host/a.csv?…'
    """
    return _QUERY.sub(r"\1?…", _USER.sub("…@", text))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what was found, what is allowed. Keys in addresses are left out."""

    where: str
    """`file:line:column`, a feature's name or a path in the config; empty where there is no place."""
    message: str
    """What was found and what is wrong with it."""
    allowed: str = ""
    """What would be right; empty where the message says it."""
    hint: str = ""
    """"Did you mean …", or what to do."""

    def __post_init__(self) -> None:
        for name in ("where", "message", "allowed", "hint"):
            object.__setattr__(self, name, shown(getattr(self, name)))

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        lines = [head]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(lines)


class OstinatoError(Exception):
    """What a user caused and can mend; carries every problem found, not only the first."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(OstinatoError):
    """The config or the command line is wrong."""

    exit_code = 2


class DataError(OstinatoError):
    """The data is wrong, missing or may not be read."""

    exit_code = 3


class Interrupted(OstinatoError):
    """Stopped from outside; a new run can go on from the last checkpoint."""

    exit_code = 4


class GateError(OstinatoError):
    """A gate of the pipeline said no."""

    exit_code = 5


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest allowed name, or nothing where none is near."""
    names = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(found.lower(), names, n=1, cutoff=0.6)
    return f"did you mean '{names[near[0]]}'?" if near else ""


def listing(names: Iterable[str], most: int = 30) -> str:
    """`a, b, c` sorted as given; the rest counted where there are more than `most`."""
    all_names = [str(name) for name in names]
    shown = ", ".join(all_names[:most])
    return f"{shown}, … ({len(all_names) - most} more)" if len(all_names) > most else shown
