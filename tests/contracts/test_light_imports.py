"""What reading and validating a config may load: neither Arrow nor torch nor kfp."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pyarrow", "torch", "kfp", "pandas", "sklearn", "matplotlib", "fsspec", "rich", "onnx", "jsonschema")
CONFIG = {
    "input_features": [
        {"name": "a", "type": "number", "encoder": "ple"},
        {"name": "b", "type": "category"},
        {"name": "c", "type": "text", "encoder": {"type": "embed"}},
    ],
    "output_features": [{"name": "y", "type": "binary", "loss": "focal"}],
    "combiner": "ft_transformer",
    "defaults": {"category": {"encoder": {"embedding_size": 8}}},
}
TASKS = {
    "load": "from ostinato.load import load_config; load_config('c', text=TEXT)",
    "errors": """
from ostinato.errors import ConfigError
from ostinato.load import load_config
try:
    load_config('c', text=TEXT.replace('focal', 'foca'))
except ConfigError as error:
    assert 'focal' in str(error)
""",
    "schema": "from ostinato.json_schema import export_schema; export_schema()",
    "reference": "from ostinato.reference import reference; reference()",
}


@pytest.mark.parametrize("task", TASKS)
def test_a_config_is_read_without_arrow_and_torch(task):
    code = f"TEXT = {json.dumps(CONFIG)!r}\n{TASKS[task]}\nimport sys\nprint(sorted({HEAVY!r} & sys.modules.keys()))"
    code = code.replace(f"{HEAVY!r} &", f"set({HEAVY!r}) &")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
