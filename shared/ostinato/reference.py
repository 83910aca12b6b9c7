"""The reference of the config, as Markdown: made from the specs. `python -m ostinato.reference > docs/config.md`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from ostinato.backend.kubernetes.spec import KubernetesImagesSpec, KubernetesSpec, NodeAffinitySpec, VolumeSpec
from ostinato.backend.spec import BackendSpec, PreprocessingBackendSpec, TrainerBackendSpec
from ostinato.combiners.spec import COMBINERS
from ostinato.config import Config, GlobalPreprocessingSpec
from ostinato.contract.spec import ChecksSpec, DataContractSpec, LimitsSpec
from ostinato.decoders.spec import DECODERS
from ostinato.encoders.spec import ENCODERS
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.gate.spec import GateConditionSpec, GateSpec
from ostinato.help_texts import help_texts, summary
from ostinato.losses.spec import LOSSES
from ostinato.model_registry.spec import RegistrySpec
from ostinato.notify.spec import EmailSpec, NotifySpec
from ostinato.registry import OneOf, Registry
from ostinato.spec import Pending, Spec
from ostinato.split.spec import SPLITS
from ostinato.trainer.spec import OPTIMIZERS, GradientClippingSpec, SchedulerSpec, TrainerSpec
from ostinato.wording import allowed_by, yaml

HEAD = """# The config

Made from the specs by `python -m ostinato.reference`: every key, its default, what it may be and what it does. A key
that is not in here is an error. "Later" marks what is part of the language but not implemented in this version: only
its default is accepted. Where a section has a key `type`, the section may also be only that name (`combiner: concat`).
`ostinato export_schema` writes the same as a JSON schema for editors.

```yaml
input_features:
  - {name: age, type: number}
  - {name: job, type: category, encoder: {type: dense, embedding_size: 16}}
output_features:
  - {name: income, type: binary}
trainer:
  epochs: 20
```
"""


def reference() -> str:
    """The whole reference."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield from _section("Top level", Config, 2)
    yield "## Features\n"
    for title, registry in (("Input", INPUTS), ("Output", OUTPUTS)):
        for name, spec in sorted(registry.specs[""].items()):
            yield from _section(f"{title} feature `{name}`", spec, 3)
            preprocessing = spec.model_fields["preprocessing"].annotation
            assert isinstance(preprocessing, type)
            yield from _section(f"`preprocessing` of {title.lower()} feature `{name}`", preprocessing, 4)
    for title, registry in (("Encoders", ENCODERS), ("Decoders", DECODERS), ("Losses", LOSSES)):
        yield from _choices(title, registry)
    yield from _choices("Combiners", COMBINERS)
    yield from _section("`preprocessing`", GlobalPreprocessingSpec, 2)
    yield from _choices("Splits", SPLITS)
    yield from _section("`trainer`", TrainerSpec, 2)
    yield from _section("`trainer.learning_rate_scheduler`", SchedulerSpec, 3)
    yield from _section("`trainer.gradient_clipping`", GradientClippingSpec, 3)
    yield from _choices("Optimizers", OPTIMIZERS)
    yield from _section("`backend`", BackendSpec, 2)
    yield from _section("`backend.preprocessing`", PreprocessingBackendSpec, 3)
    yield from _section("`backend.trainer`", TrainerBackendSpec, 3)
    yield from _section("`backend.kubernetes`", KubernetesSpec, 3)
    yield from _section("`backend.kubernetes.images`", KubernetesImagesSpec, 4)
    yield from _section("`backend.kubernetes.volumes`: each item", VolumeSpec, 4)
    yield from _section("`backend.kubernetes.node_affinity`: each item", NodeAffinitySpec, 4)
    yield from _section("`data_contract`", DataContractSpec, 2)
    yield from _section("`data_contract.checks`", ChecksSpec, 3)
    yield from _section("Limits of a check", LimitsSpec, 4)
    yield from _section("`gate`", GateSpec, 2)
    yield from _section("`gate.conditions`", GateConditionSpec, 3)
    yield from _section("`registry`", RegistrySpec, 2)
    yield from _section("`notify`", NotifySpec, 2)
    yield from _section("`notify.email`", EmailSpec, 3)


def _choices(title: str, registry: Registry) -> Iterator[str]:
    """Each spec once, with the feature types that may choose it."""
    yield f"## {title}\n"
    groups: dict[type[Spec], list[str]] = {}
    names: dict[type[Spec], str] = {}
    for group, specs in registry.specs.items():
        for name, spec in specs.items():
            groups.setdefault(spec, []).append(group)
            names[spec] = name
    for spec in sorted(groups, key=lambda spec: (names[spec], sorted(groups[spec]))):
        of = f" ({', '.join(sorted(groups[spec]))})" if groups[spec] != [""] else ""
        yield from _section(f"`{names[spec]}`{of}", spec, 3)


def _section(title: str, spec: type[Spec], level: int) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    yield f"{summary(spec)}\n"
    texts = help_texts(spec)
    rows = [_row(name, info, texts.get(name, "")) for name, info in spec.model_fields.items()]
    later = [row for row in rows if row is None]
    yield "| key | default | allowed | |\n|---|---|---|---|"
    yield from (row for row in rows if row)
    pending = [name for name, info in spec.model_fields.items() if _is_pending(info)]
    if later or spec.later:
        yield f"\nLater: {', '.join(f'`{name}`' for name in [*pending, *sorted(spec.later)])}."
    yield ""


def _is_pending(info: FieldInfo) -> bool:
    return any(isinstance(note, Pending) for note in info.metadata)


def _row(name: str, info: FieldInfo, text: str) -> str | None:
    """A line of the table; None for a field that is not implemented yet."""
    if _is_pending(info):
        return None
    choice = next((note for note in info.metadata if isinstance(note, OneOf)), None)
    allowed = allowed_by(info.annotation, tuple(info.metadata))
    if isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
        allowed = "a mapping, see below"
    default = info.get_default(call_default_factory=True) if not info.is_required() else None
    if info.is_required():
        shown = "required"
    elif isinstance(default, Spec):
        shown = f"`{choice.default}`" if choice else "its own defaults"
    else:
        shown = f"`{yaml(list(default) if isinstance(default, tuple) else default)}`" if default != "" else ""
    return f"| `{name}` | {shown} | {_cell(allowed)} | {_cell(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(reference(), end="")
