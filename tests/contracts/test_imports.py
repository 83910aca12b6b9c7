"""The name of a file says what it may import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("shared/ostinato", "components/ostinato_components", "pipelines/ostinato_pipelines")
    for path in (ROOT / folder).rglob("*.py")
)
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "yaml"}
ARROW = PYDANTIC | {"numpy", "pyarrow", "fsspec", "s3fs", "jinja2", "markupsafe"}
TORCH = ARROW | {"torch", "safetensors", "sklearn", "onnx", "onnxscript", "onnxruntime", "rich"}
KFP = PYDANTIC | {"kfp", "google"}
ALLOWED = {"spec.py": PYDANTIC, "data.py": ARROW | {"sklearn"}, "nn.py": TORCH, "component.py": KFP}
OURS = {"ostinato", "ostinato_components", "ostinato_pipelines"}
MINE = {path.relative_to(ROOT).as_posix(): path for path in SOURCES}


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: imports are absolute"
            names.add(node.module)
    return names


def third_party(names: set[str]) -> set[str]:
    import sys

    return {name.partition(".")[0] for name in names} - OURS - set(sys.stdlib_module_names) - {"__future__"}


@pytest.mark.parametrize("name", [name for name in MINE if Path(name).name in ALLOWED])
def test_the_name_of_a_file_says_what_it_may_import(name):
    assert third_party(imported(MINE[name])) <= ALLOWED[Path(name).name]


@pytest.mark.parametrize("name", [name for name in MINE if Path(name).name == "spec.py"])
def test_a_spec_imports_specs_and_what_they_are_made_of_only(name):
    allowed = {"ostinato.spec", "ostinato.registry", "ostinato.errors"}
    ours = {module for module in imported(MINE[name]) if module.partition(".")[0] in OURS}
    assert all(module in allowed or module.rpartition(".")[2] == "spec" for module in ours), ours


def test_kfp_is_imported_by_components_and_pipelines_only():
    users = {name for name, path in MINE.items() if "kfp" in third_party(imported(path))}
    assert users
    assert all(Path(name).name == "component.py" or name.startswith("pipelines/") for name in users), users


@pytest.mark.parametrize("name", MINE)
def test_nothing_is_pickled(name):
    text = MINE[name].read_text(encoding="utf-8")
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & third_party(imported(MINE[name]))
    assert "torch.load(" not in text
    assert "allow_pickle=True" not in text
