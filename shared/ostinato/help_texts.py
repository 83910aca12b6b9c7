"""The strings under the fields of specs: read from the source when a schema or a reference is made, never at import."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache

from ostinato.spec import Spec


def help_texts(spec: type[Spec]) -> dict[str, str]:
    """Field -> its help text, those of the classes above included."""
    texts: dict[str, str] = {}
    for cls in reversed(spec.__mro__):
        if issubclass(cls, Spec):
            texts |= _texts_of_module(cls.__module__).get(cls.__qualname__, {})
    return texts


def summary(spec: type[Spec]) -> str:
    """The first paragraph of the docstring, in one line."""
    text = inspect.cleandoc(spec.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())


@cache
def _texts_of_module(name: str) -> dict[str, dict[str, str]]:
    """Class -> field -> the string under it."""
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {node.name: _texts_of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _texts_of_class(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for statement, below in zip(node.body, node.body[1:], strict=False):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            texts[statement.target.id] = " ".join(below.value.value.split())
    return texts
