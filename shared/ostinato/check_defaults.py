"""What is wrong in the section `defaults` itself, also for types that no feature has, and what of it has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from ostinato.document import Section
from ostinato.errors import did_you_mean, listing
from ostinato.explain import LATER, Fault, Step, fault_at, faults_of, with_words_as_booleans
from ostinato.features.spec import INPUTS, OUTPUTS

PARTS = {"preprocessing": INPUTS, "encoder": INPUTS, "decoder": OUTPUTS, "loss": OUTPUTS}


def check_defaults(full: Section) -> Iterator[Fault]:
    """Everything that is wrong in `defaults`."""
    defaults = full.section("defaults")
    known = sorted({*INPUTS.specs[""], *OUTPUTS.specs[""]})
    later = INPUTS.pending[""] | OUTPUTS.pending[""]
    for name in defaults or ():
        assert defaults is not None
        if name not in known:
            message = f"the feature type '{name}' {LATER}" if name in later else f"unknown feature type '{name}'"
            yield fault_at(full, ("defaults", name), message, listing(known), did_you_mean(name, known), key=True)
        elif (section := defaults.section(name)) is None:
            yield fault_at(full, ("defaults", name), "is no mapping", f"a mapping with the keys {listing(PARTS)}")
        else:
            for part in section:
                yield from _part_faults(full, name, part)


def _part_faults(full: Section, name: str, part: str) -> Iterator[Fault]:
    path = ("defaults", name, part)
    spec = PARTS[part].specs[""].get(name) if part in PARTS else None
    if spec is None:
        there = [key for key, registry in PARTS.items() if name in registry.specs[""]]
        message = f"the type '{name}' has no '{part}'" if part in PARTS else "unknown key"
        yield fault_at(full, path, message, listing(there), did_you_mean(part, there), key=True)
        return
    info = spec.model_fields[part]
    value: Any = full
    for key in path:
        value = value[key]
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    root = Step((), value, info.annotation, tuple(info.metadata))
    try:
        with_words_as_booleans(TypeAdapter(annotation).validate_python, root)
    except ValidationError as error:
        yield from faults_of(error, root, full, path)


def without_effect(document: Section) -> Iterator[str]:
    """What `defaults` says that no feature takes."""
    defaults = document.section("defaults")
    sides = {}
    for registry, key in ((INPUTS, "input_features"), (OUTPUTS, "output_features")):
        features = document.get(key)
        found = features if isinstance(features, list) else []
        sides[registry.kind] = {feature.get("type") for feature in found if isinstance(feature, Section)}
    for name in defaults or ():
        assert defaults is not None
        section = defaults.section(name)
        for part in section or ():
            kind = PARTS[part].kind
            if section is not None and name not in sides[kind]:
                at = section.keys_at[part]
                side = kind.partition(" ")[0]
                text = f"'defaults.{name}.{part}' has no effect: there is no {side} feature of that type"
                yield f"{at}: {text}" if str(at) else text
