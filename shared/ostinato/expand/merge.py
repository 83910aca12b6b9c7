"""What features of a type, tied features and presets share, written out at each feature."""

from __future__ import annotations

from ostinato.document import Entry, Items, Section
from ostinato.expand.presets import preset_of
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.metrics.spec import LOSS, METRICS, metric_names
from ostinato.registry import Registry, one_of

INPUT_PARTS = ("preprocessing", "encoder")
OUTPUT_PARTS = ("decoder", "loss")
"""Targets are not filled or scaled by what `defaults` says of the type; so it is in Ludwig."""


def expand(document: Section) -> Section:
    """The upgraded document with `defaults` and the preset written out at each feature. Values are shared, not copied.

    What a feature says itself wins, then `defaults`, then the preset.
    """
    full = Section()
    for key in document:
        full.add(key, document.entry(key))
    inputs, outputs = document.get("input_features"), document.get("output_features")
    preset = preset_of(document, len(inputs) if isinstance(inputs, Items) else 0)
    base = document.section("defaults")
    sides = (("input_features", INPUTS, INPUT_PARTS, "inputs"), ("output_features", OUTPUTS, OUTPUT_PARTS, "outputs"))
    for key, registry, _, _ in sides:
        if isinstance(features := document.get(key), Items):
            own = _features(features, registry, None, ())
            full.add(key, Entry(own, document.keys_at[key], document.values_at[key]))
    if isinstance(inputs, Items):
        _tie(full)
    for key, registry, parts, side in sides:
        if isinstance(features := full.get(key), Items):
            written = _features(features, registry, base, parts)
            if preset is not None:
                written = _features(
                    written, registry, preset.section(side), tuple(dict.fromkeys(("preprocessing", *parts)))
                )
            full.add(key, Entry(written, document.keys_at[key], document.values_at[key]))
    if preset is not None:
        for key in ("trainer", "combiner"):
            _put_below(full, key, preset)
    if isinstance(outputs, Items):
        _validation_field(full, outputs)
    return full


def merge(base: Section, own: Section, default_type: str | None) -> Section:
    """Both together; `own` wins. Where `own` chooses another `type`, `base` says nothing.

    `default_type` is the type that `base` means where it names none; None where there is no such choice.
    """
    base_type = base.get("type", default_type)
    if own.get("type", base_type) != base_type:
        return own
    merged = Section()
    for key in base:
        merged.add(key, base.entry(key))
    for key in own:
        below, old, entry = own.section(key), merged.section(key), own.entry(key)
        if below is not None and old is not None:
            kind = str(below.get("type", ""))
            entry = Entry(merge(old, below, kind), entry.key_at, entry.value_at)
        merged.add(key, entry)
    return merged


def _features(features: Items, registry: Registry, base: Section | None, parts: tuple[str, ...]) -> Items:
    written = Items()
    for feature, at in zip(features, features.values_at, strict=True):
        written.put(_feature(feature, registry, base, parts) if isinstance(feature, Section) else feature, at)
    return written


def _feature(feature: Section, registry: Registry, base: Section | None, parts: tuple[str, ...]) -> Section:
    """A feature of its own, with its column and what `base` says of its type."""
    full = Section()
    for key in feature:
        full.add(key, feature.entry(key))
    if isinstance(full.get("name"), str) and not full.get("column", ""):
        full.put("column", full["name"], full.keys_at["name"], full.values_at["name"])
    kind = full.get("type")
    spec = registry.specs[""].get(kind) if isinstance(kind, str) else None
    of_type = base.section(kind) if base is not None and isinstance(kind, str) else None
    if spec is None or of_type is None:
        return full
    for part in parts:
        if part not in of_type:
            continue
        entry, own, default = of_type.entry(part), full.section(part), _default(of_type, part, full.section(part))
        choice = one_of(spec, part)
        if part not in full:
            full.add(part, entry)
        elif own is not None and default is not None:
            merged = merge(default, own, choice.default if choice else None)
            full.put(part, merged, full.keys_at[part], full.values_at[part])
    return full


def _default(of_type: Section, part: str, own: Section | None) -> Section | None:
    """What is said of a part; a preset may say it by the type that the feature chooses."""
    by_type = of_type.section(f"{part}_of")
    name = own.get("type") if own is not None else None
    chosen = by_type.section(name) if by_type is not None and isinstance(name, str) else None
    if chosen is None or name is None or own is None:
        return of_type.section(part)
    typed = Section()
    typed.add("type", own.entry("type"))
    for key in chosen:
        typed.add(key, chosen.entry(key))
    return typed


def _put_below(full: Section, key: str, preset: Section) -> None:
    own, base = full.section(key), preset.section(key)
    assert base is not None
    if key not in full:
        full.add(key, preset.entry(key))
    elif own is not None:
        full.put(key, merge(base, own, "concat" if key == "combiner" else None), full.keys_at[key], full.values_at[key])


def _tie(full: Section) -> None:
    """A tied feature that says nothing of its encoder or preprocessing itself has those of the other."""
    features = full["input_features"]
    assert isinstance(features, Items)
    by_name = {str(feature.get("name")): feature for feature in features.sections()}
    for feature in features.sections():
        seen, other = [feature], by_name.get(str(feature.get("tied") or ""))
        while other is not None and other.get("tied") and other not in seen:
            seen.append(other)
            other = by_name.get(str(other["tied"]))
        if other is None or other is feature or other.get("type") != feature.get("type"):
            continue
        for part in INPUT_PARTS:
            if part in other and part not in feature:
                feature.add(part, other.entry(part))


def _validation_field(full: Section, outputs: Items) -> None:
    """A metric without its output is that of the one output that has it."""
    trainer = full.section("trainer")
    if trainer is None or trainer.get("validation_field") is not None or trainer.get("validation_metric") is None:
        return
    metric = trainer["validation_metric"]
    having = [
        str(output.get("name"))
        for output in outputs.sections()
        if output.get("type") in METRICS and metric in metric_names(str(output["type"]))
    ]
    if len(having) == 1 or (having and metric == LOSS):
        named = Section()
        for key in trainer:
            named.add(key, trainer.entry(key))
        named.put("validation_field", having[0], trainer.keys_at["validation_metric"])
        full.put("trainer", named, full.keys_at["trainer"], full.values_at["trainer"])
