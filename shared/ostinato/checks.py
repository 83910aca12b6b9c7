"""What takes more than one part of a config to see. Works on configs with other errors too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ostinato.config import Config
from ostinato.document import Items, PathTo, Section, shown
from ostinato.errors import did_you_mean, listing
from ostinato.explain import Fault, fault_at
from ostinato.features.spec import INPUTS
from ostinato.metrics.spec import COMBINED, LOSS, METRICS, metric_names


@dataclass(frozen=True)
class Feature:
    """A feature as the expanded document has it."""

    path: PathTo
    section: Section

    def text(self, key: str) -> str:
        """A value that is a text; empty where there is none."""
        value = self.section.get(key)
        return value if isinstance(value, str) else ""

    @property
    def name(self) -> str:
        """Its name; empty where there is none."""
        return self.text("name")

    @property
    def column(self) -> str:
        """The column that it reads."""
        return self.text("column") or self.name


@dataclass(frozen=True)
class Features:
    """All features of an expanded document."""

    full: Section
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]

    def fault(self, feature: Feature, key: str, message: str, allowed: str = "", hint: str = "") -> Fault:
        """A fault of what a feature says under a key."""
        return fault_at(self.full, (*feature.path, key), message, allowed, hint)


def features_of(full: Section) -> Features:
    """The features of an expanded document that are mappings."""
    sides = []
    for key in ("input_features", "output_features"):
        items = full.get(key)
        found = enumerate(items) if isinstance(items, Items) else []
        sides.append(tuple(Feature((key, index), item) for index, item in found if isinstance(item, Section)))
    return Features(full, *sides)


def check(full: Section) -> list[Fault]:
    """Everything that is wrong between the parts of an expanded document."""
    features = features_of(full)
    checks: tuple[Callable[[Features], Iterable[Fault]], ...] = (
        _names, _leaks, _dependencies, _ties, _validation, _split, _balance, _nodes, _gate, _notify, _comparator,
    )  # fmt: skip
    return [fault for each in checks for fault in each(features)]


def check_tied_encoders(config: Config, full: Section) -> Iterator[Fault]:
    """Tied features whose encoders are not the same."""
    by_name = {feature.name: feature for feature in config.input_features}
    for index, feature in enumerate(config.input_features):
        if feature.tied is not None and feature.encoder != by_name[feature.tied].encoder:
            message = f"differs from that of '{feature.tied}', with which it is shared"
            yield fault_at(full, ("input_features", index, "encoder"), message, hint="leave it out here")


def _names(features: Features) -> Iterator[Fault]:
    first: dict[str, Feature] = {}
    for feature in (*features.inputs, *features.outputs):
        other = first.setdefault(feature.name, feature) if feature.name else feature
        if other is feature:
            continue
        if feature.path[0] != other.path[0] and feature.column == other.column:
            continue  # a target among the inputs, which _leaks judges
        hint = "give one of them another name, and name the column of the data under 'column'"
        yield features.fault(feature, "name", f"there are two features of the name '{feature.name}'", hint=hint)


def _leaks(features: Features) -> Iterator[Fault]:
    targets = {output.column: output for output in features.outputs if output.column}
    for feature in features.inputs:
        # A series may be both: its past is the input, its future the target.
        if feature.column in targets and feature.text("type") not in INPUTS.pending[""]:
            name = targets[feature.column].name
            message = f"reads the column '{feature.column}', which output feature '{name}' predicts"
            yield features.fault(
                feature, "name", message, hint="leave it out of the inputs: a model can't use its answer"
            )


def _dependencies(features: Features) -> Iterator[Fault]:
    names = [output.name for output in features.outputs if output.name]
    graph: dict[str, list[str]] = {}
    for output in features.outputs:
        wanted = output.section.get("dependencies")
        graph[output.name] = [name for name in wanted if isinstance(name, str)] if isinstance(wanted, Items) else []
        for index, name in enumerate(wanted if isinstance(wanted, Items) else []):
            others = [other for other in names if other != output.name]
            if isinstance(name, str) and name not in others:
                message = "depends on itself" if name == output.name else f"there is no output feature '{name}'"
                path = (*output.path, "dependencies", index)
                yield fault_at(
                    features.full, path, message, listing(others) or "no other output", did_you_mean(name, others)
                )
    for output in features.outputs:
        cycle = _cycle(output.name, graph)
        if len(cycle) > 2 and output.name == min(cycle):
            yield features.fault(output, "dependencies", f"outputs depend on each other: {' -> '.join(cycle)}")


def _cycle(start: str, graph: dict[str, list[str]]) -> list[str]:
    """A way from a name back to itself; empty where there is none."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in graph.get(way[-1], []):
            if name == start:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _ties(features: Features) -> Iterator[Fault]:
    by_name = {feature.name: feature for feature in features.inputs if feature.name}
    graph = {feature.name: [feature.text("tied")] for feature in features.inputs if feature.text("tied")}
    for feature in features.inputs:
        tied = feature.text("tied")
        if not tied:
            continue
        other = by_name.get(tied)
        others = [name for name in by_name if name != feature.name]
        if other is None:
            yield features.fault(
                feature, "tied", f"there is no input feature '{tied}'", listing(others), did_you_mean(tied, others)
            )
        elif other is feature:
            yield features.fault(feature, "tied", "is tied to itself", listing(others))
        elif other.text("type") != feature.text("type"):
            message = f"'{tied}' has the type {other.text('type')}, this one the type {feature.text('type')}"
            yield features.fault(feature, "tied", message, "features of one type")
        elif len(cycle := _cycle(feature.name, graph)) > 2 and feature.name == min(cycle):
            yield features.fault(feature, "tied", f"features are tied in a ring: {' -> '.join(cycle)}")


def _validation(features: Features) -> Iterator[Fault]:
    trainer = features.full.section("trainer")
    if trainer is None:
        return
    outputs = {output.name: output.text("type") for output in features.outputs if output.name}
    field, metric = trainer.get("validation_field"), trainer.get("validation_metric")
    if isinstance(field, str) and field not in outputs and field != COMBINED:
        names = [*outputs, COMBINED]
        message = f"there is no output feature '{field}'"
        path = ("trainer", "validation_field")
        yield fault_at(features.full, path, message, listing(names), did_you_mean(field, names))
        return
    if not isinstance(metric, str):
        return
    path = ("trainer", "validation_metric")
    kinds = [outputs.get(field, COMBINED)] if isinstance(field, str) else list(outputs.values())
    if any(kind != COMBINED and kind not in METRICS for kind in kinds):
        return  # the type is wrong, and that is said elsewhere
    having = [kind for kind in kinds if metric in metric_names(kind)]
    if not having:
        names = list(dict.fromkeys(name for kind in kinds for name in metric_names(kind)))
        of = f"output '{field}'" if isinstance(field, str) else "any output"
        yield fault_at(
            features.full, path, f"{shown(metric)} is no metric of {of}", listing(names), did_you_mean(metric, names)
        )
    elif len(having) > 1 and field is None and metric != LOSS:
        yield fault_at(
            features.full, path, f"several outputs have the metric '{metric}'", hint="say which with 'validation_field'"
        )


def _split(features: Features) -> Iterator[Fault]:
    preprocessing = features.full.section("preprocessing")
    split = preprocessing.section("split") if preprocessing is not None else None
    if split is None or split.get("type") != "stratify" or not isinstance(split.get("column"), str):
        return
    column = str(split["column"])
    kinds = {
        feature.column: feature.text("type")
        for feature in (*features.inputs, *features.outputs)
        if feature.text("type")
    }
    if kinds.get(column, "category") not in ("category", "binary"):
        path = ("preprocessing", "split", "column")
        allowed = listing(name for name, kind in kinds.items() if kind in ("category", "binary"))
        yield fault_at(
            features.full, path, f"'{column}' has the type {kinds[column]}", f"a category or binary column: {allowed}"
        )


def _balance(features: Features) -> Iterator[Fault]:
    preprocessing = features.full.section("preprocessing")
    if preprocessing is None:
        return
    for key in ("oversample_minority", "undersample_majority"):
        if preprocessing.get(key) is None:
            continue
        kinds = [output.text("type") for output in features.outputs]
        if len(kinds) != 1 or kinds[0] not in ("binary", "category"):
            found = f"there are {len(kinds)} outputs" if len(kinds) != 1 else f"the output has the type {kinds[0]}"
            yield fault_at(features.full, ("preprocessing", key), found, "a single output, binary or category")


def _nodes(features: Features) -> Iterator[Fault]:
    backend = features.full.section("backend")
    trainer = backend.section("trainer") if backend is not None else None
    num_nodes = trainer.get("num_nodes") if trainer is not None else None
    if backend is None or not isinstance(num_nodes, int) or num_nodes <= 1:
        return
    storage = backend.get("storage")
    if storage is None or (isinstance(storage, str) and "://" not in storage.removeprefix("file://")):
        found = "is missing" if storage is None else f"{shown(storage)} is a path of one machine"
        message = f"{found}; {num_nodes} nodes need one that all of them see"
        yield fault_at(features.full, ("backend", "storage"), message, "a URI, e.g. s3://bucket/folder")


def _gate(features: Features) -> Iterator[Fault]:
    gate = features.full.section("gate")
    conditions = gate.get("conditions") if gate is not None else None
    if gate is None or not isinstance(conditions, Items):
        return
    for index, condition in enumerate(conditions):
        if isinstance(condition, Section):
            yield from _condition(features, condition, ("gate", "conditions", index))
    bounded = any(one.get("minimum") is not None or one.get("maximum") is not None for one in conditions.sections())
    if conditions.sections() and not bounded and gate.get("champion") is None:
        message = "there is no champion to compare with, and no condition has a minimum or maximum: nothing is decided"
        hint = "name the folder of the model in use under 'champion'"
        yield fault_at(features.full, ("gate", "conditions"), message, "a 'minimum' or a 'maximum'", hint)


def _notify(features: Features) -> Iterator[Fault]:
    section = features.full.section("notify")
    if section is not None and section.get("webhook") is not True and section.get("email") is None:
        yield fault_at(features.full, ("notify",), "nobody is told", "webhook: true, or an email")


def _comparator(features: Features) -> Iterator[Fault]:
    combiner = features.full.section("combiner")
    if combiner is None or combiner.get("type") != "comparator":
        return
    inputs = [feature.name for feature in features.inputs]
    seen: dict[str, str] = {}
    for entity in ("entity_1", "entity_2"):
        names = combiner.get(entity)
        for index, name in enumerate(names if isinstance(names, Items) else []):
            if not isinstance(name, str):
                continue
            path = ("combiner", entity, index)
            if name not in inputs:
                message, hint = f"there is no input feature '{name}'", did_you_mean(name, inputs)
                yield fault_at(features.full, path, message, listing(inputs), hint)
            elif name in seen:
                yield fault_at(features.full, path, f"'{name}' is in {seen[name]} too", "each input in one entity")
            seen.setdefault(name, entity)
    left = [name for name in inputs if name not in seen]
    if seen and left:
        message = f"{listing(repr(name) for name in left)} belong to no entity"
        yield fault_at(features.full, ("combiner",), message, "entity_1 and entity_2 together name every input")


def _condition(features: Features, condition: Section, path: PathTo) -> Iterator[Fault]:
    outputs = {output.name: output.text("type") for output in features.outputs if output.text("type") in METRICS}
    metric, output = condition.get("metric"), condition.get("output")
    if isinstance(output, str) and output not in outputs:
        message, hint = f"there is no output feature '{output}'", did_you_mean(output, outputs)
        yield fault_at(features.full, (*path, "output"), message, listing(outputs), hint)
    elif isinstance(metric, str):
        kinds = [outputs[output]] if isinstance(output, str) else list(outputs.values())
        # The loss needs the logits, which a bundle does not give.
        names = list(dict.fromkeys(name for kind in kinds for name in METRICS[kind] if name != LOSS))
        if kinds and metric not in names:
            of = f"output '{output}'" if isinstance(output, str) else "any output"
            message = f"{shown(metric)} is no metric of {of} that a bundle can be measured by"
            yield fault_at(features.full, (*path, "metric"), message, listing(names), did_you_mean(metric, names))
    low, high = condition.get("minimum"), condition.get("maximum")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield fault_at(features.full, (*path, "minimum"), f"{low:g} is above the maximum, {high:g}")
