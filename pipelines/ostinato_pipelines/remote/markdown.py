"""A run in Markdown, for a pull request: what came of it, why, its steps, its figures."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ostinato.errors import ConfigError, DataError, Problem
from ostinato_pipelines.local import RUN_FILE
from ostinato_pipelines.remote.waiting import Outcome

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~@<>-])")
_MOST_REASONS = 20


def of_outcome(run: Outcome) -> str:
    """A run on Kubeflow; its API tells no metrics, which are on the run's page."""
    lines = [f"### {_mark(run.state == 'SUCCEEDED')} {plain(run.name)}: {plain(run.state.lower())}", ""]
    if run.error:
        lines += [plain(run.error), ""]
    lines += _table(
        ("step", "state", "seconds"),
        ((task.name, task.state.lower(), "" if task.seconds is None else f"{task.seconds:.0f}") for task in run.tasks),
    )
    lines += [f"- {plain(task.name)}: {plain(task.error)}" for task in run.failed if task.error]
    return _joined([*lines, "", f"[Run, with metrics and reports](<{run.link}>)"])


def of_folder(folder: Path) -> str:
    """A run of `ostinato run`, by its output directory.

    Raises:
        ConfigError: it is none.
        DataError: its record can't be read.
    """
    record = _json(folder / RUN_FILE)
    if record is None:
        raise ConfigError(Problem(str(folder), f"holds no run: there is no {RUN_FILE}", "a folder of ostinato run"))
    state = str(record.get("state", "succeeded"))
    lines = [f"### {_mark(state == 'succeeded')} {plain(folder.name)}: {plain(state)}", ""]
    lines += [*(f"- {plain(problem)}" for problem in record.get("problems", [])), ""]
    lines += _gate(_json(folder / "gate.json"))
    lines += _findings(_json(folder / "data_validation.json"))
    lines += _table(("metric, on the test rows", "value"), ((k, f"{v:.4f}") for k, v in record["metrics"].items()))
    lines += _table(
        ("step", "seconds"),
        ((step["name"], "cached" if step["cached"] else f"{step['seconds']:.1f}") for step in record["steps"]),
    )
    return _joined(lines)


def plain(text: object) -> str:
    """Text as it is, whatever is in it: no Markdown, no HTML, no mention of a person."""
    return html.escape(_SPECIAL.sub(r"\\\1", " ".join(str(text).split())), quote=False).replace("@", "@\u200b")


def _mark(good: bool) -> str:
    return "✅" if good else "❌"


def _gate(decision: Mapping[str, Any] | None) -> list[str]:
    if decision is None:
        return []
    lines = [f"**Gate: {plain(decision['verdict'])}**, on {decision['rows']:,} test rows", ""]
    lines += [f"- {plain(reason)}" for reason in _few(decision["reasons"])]
    lines += [f"- note: {plain(note)}" for note in decision["notes"]]

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    rows = (
        (f"{one['output']}.{one['metric']}", number(one["champion"]), number(one["challenger"]))
        for one in decision["comparisons"]
    )
    return [*lines, "", *_table(("metric", "model in use", "new model"), rows)]


def _findings(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    entries = found["findings"]
    if not entries:
        return ["**Data: as the contract says**", ""]
    lines = [f"**Data: {len(entries)} findings against the contract**", ""]
    texts = [f"{entry['severity']}: {entry['column'] or 'all columns'}: {entry['text']}" for entry in entries]
    return [*lines, *(f"- {plain(text)}" for text in _few(texts)), ""]


def _few(texts: list[str]) -> list[str]:
    more = len(texts) - _MOST_REASONS
    return texts if more <= 0 else [*texts[:_MOST_REASONS], f"and {more} more"]


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    if not lines:
        return []
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *lines, ""]


def _joined(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), "can't be read")) from error
