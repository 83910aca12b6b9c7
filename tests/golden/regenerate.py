"""Makes the golden files anew, or with --check says which would change. `make golden`, then read the diff."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent


def components() -> dict[Path, Callable[[], str]]:
    """The files of every component: its interface and body, and what tells of it."""
    from ostinato_pipelines import publishing

    made = {name: publishing.files(name, component) for name, component in publishing.components().items()}
    return {
        ROOT / "components" / name / file: lambda text=text: of_any_release(text)
        for name, files in made.items()
        for file, text in files.items()
    }


def of_any_release(text: str) -> str:
    """The text as kfp 2.17.0 would write it: a newer patch release changes no more than its name in there."""
    return re.sub(r'"sdkVersion": "kfp-[0-9.]+"', '"sdkVersion": "kfp-2.17.0"', text)


def specialized() -> str:
    """The pipeline of the penguins example."""
    from ostinato_pipelines.compile import pipeline_text

    text = (ROOT / "examples/penguins/config.yaml").read_text(encoding="utf-8")
    return of_any_release(pipeline_text(yaml.safe_load(text), name="penguins"))


def fan_out() -> str:
    """The same with four tasks that share the preprocessing."""
    from ostinato_pipelines.compile import pipeline_text

    document = yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text(encoding="utf-8"))
    backend = {"storage": "s3://warehouse/ostinato", "preprocessing": {"shards": 4}}
    return of_any_release(pipeline_text({**document, "backend": backend}, name="penguins-fan-out"))


def many_nodes() -> str:
    """The same on several machines."""
    from ostinato_pipelines.compile import pipeline_text

    document = yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text(encoding="utf-8"))
    backend = {"storage": "s3://bucket/ostinato", "trainer": {"num_nodes": 2}}
    return of_any_release(pipeline_text({**document, "backend": backend}, name="penguins-nodes"))


def guarded() -> str:
    """The same with a contract of the data and a gate."""
    from ostinato_pipelines.compile import pipeline_text

    document = yaml.safe_load((ROOT / "examples/penguins/config.yaml").read_text(encoding="utf-8"))
    guards = {
        "data_contract": {"path": "s3://bucket/penguins/contract.yaml"},
        "gate": {"champion": "s3://bucket/penguins", "conditions": [{"metric": "accuracy", "minimum": 0.9}]},
    }
    return of_any_release(pipeline_text({**document, **guards}, name="penguins-guarded"))


def universal() -> str:
    """The pipeline whose run form asks for the config."""
    from ostinato_pipelines.compile import pipeline_text

    return of_any_release(pipeline_text(None))


def json_schema() -> str:
    """The JSON schema of the config."""
    from ostinato.json_schema import export_schema

    return json.dumps(export_schema(), indent=2, ensure_ascii=False) + "\n"


def config_reference() -> str:
    """The reference of the config, for people."""
    from ostinato.reference import reference

    return reference()


def golden_files() -> dict[Path, Callable[[], str]]:
    """Path -> what makes its text."""
    return {
        GOLDEN / "pipelines/penguins.yaml": specialized,
        GOLDEN / "pipelines/fan_out.yaml": fan_out,
        GOLDEN / "pipelines/nodes.yaml": many_nodes,
        GOLDEN / "pipelines/guarded.yaml": guarded,
        GOLDEN / "pipelines/universal.yaml": universal,
        GOLDEN / "config.schema.json": json_schema,
        ROOT / "docs/config.md": config_reference,
        **components(),
    }


def main() -> int:
    """Writes the files; with --check writes nothing, and returns 1 where one differs."""
    for name in ("OSTINATO_IMAGE_DATA", "OSTINATO_IMAGE_TRAIN"):
        os.environ.pop(name, None)
    check = "--check" in sys.argv[1:]
    stale = []
    for path, make in golden_files().items():
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(ROOT))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'differs' if check else 'wrote'}: {path}")
    if check and stale:
        print("If that is what you meant: make golden, and read the diff.")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
