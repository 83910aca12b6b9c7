"""Clocks jump: what is measured or waited for goes by one that nobody sets."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for part in ("shared", "components", "pipelines") for path in sorted((ROOT / part).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_asks_for_the_time_of_day_to_measure(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    times = [call for call in calls if isinstance(call, ast.Attribute) and call.attr in ("time", "time_ns")]
    assert not [call.lineno for call in times if isinstance(call.value, ast.Name) and call.value.id == "time"]
