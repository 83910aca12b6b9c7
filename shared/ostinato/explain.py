"""What pydantic found wrong, as problems a person understands: one for each field, at the place it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ostinato.document import Items, Mark, PathTo, Section, kind_of, mark_of, plain, shown
from ostinato.errors import Problem, did_you_mean, listing
from ostinato.registry import OneOf, one_of
from ostinato.spec import Later, Spec
from ostinato.wording import allowed_by, alternatives, yaml

LATER = "is part of the language but not implemented yet"
WORDS_FOR_BOOLEANS = {"yes": True, "on": True, "no": False, "off": False}
Validated = TypeVar("Validated")
SIDES = {"input_features": "input feature", "output_features": "output feature"}

HINTS = {"lr": "say it as trainer.learning_rate"}
"""What to do about keys that people know from elsewhere."""


@dataclass(frozen=True)
class Fault:
    """A problem and where it was found; `place` is for the sake of order and of finding the same one twice."""

    at: Mark
    place: str
    message: str
    allowed: str = ""
    hint: str = ""

    def problem(self) -> Problem:
        """What the user reads."""
        if str(self.at):
            return Problem(str(self.at), f"{self.place}: {self.message}", self.allowed, self.hint)
        return Problem(self.place, self.message, self.allowed, self.hint)


def fault_at(
    full: Section, path: PathTo, message: str, allowed: str = "", hint: str = "", *, key: bool = False
) -> Fault:
    """A fault of what lies at a path of the expanded document."""
    at = mark_of(full, path, key=key)
    return Fault(at, place_of(full, path, at), message, allowed, hint)


def place_of(full: Section, path: PathTo, at: Mark) -> str:
    """`input feature 'age', encoder.dropout`; `trainer.epochs`."""
    if at.path and at.path[0] in ("defaults", "preprocessing") and path[0] in (*SIDES, "defaults"):
        # What `defaults` says is wrong there, not at each feature that takes it.
        return ".".join(map(str, at.path if at.path[-1] == path[-1] else (*at.path, path[-1])))
    if len(path) < 2 or path[0] not in SIDES or not isinstance(path[1], int):
        return ".".join(map(str, path)) or "config"
    features, number = full[str(path[0])], path[1]
    feature = features[number] if isinstance(features, Items) and number < len(features) else None
    name = feature.get("name") if isinstance(feature, Section) else None
    who = f"{SIDES[str(path[0])]} {repr(name) if isinstance(name, str) and name else f'number {number + 1}'}"
    return ", ".join([who, ".".join(map(str, path[2:]))]) if len(path) > 2 else who


@dataclass
class Step:
    """How far a place in an error could be followed through specs and values."""

    path: PathTo
    value: Any
    annotation: object
    metadata: tuple[object, ...] = ()
    owner: type[Spec] | None = None
    """The spec that the last key belongs to."""

    def spec(self) -> type[Spec] | None:
        """The spec that the value here is of."""
        for option, notes in alternatives(self.annotation, self.metadata):
            chosen = next((note for note in notes if isinstance(note, OneOf)), None)
            if chosen is not None and isinstance(self.value, Mapping):
                name = self.value.get("type", chosen.default)
                known = chosen.registry.specs.get(chosen.group, {})
                return known.get(name) if isinstance(name, str) else None
            if isinstance(option, type) and issubclass(option, Spec):
                return option
        return None

    def down(self, part: str | int) -> Step | None:
        """One key or item further; None where the part is only the name of a member of a union."""
        if isinstance(self.value, Mapping) and isinstance(part, str):
            spec = self.spec()
            if spec is not None and (part in spec.model_fields or part in self.value):
                info = spec.model_fields.get(part)
                annotation, metadata = (info.annotation, tuple(info.metadata)) if info else (Any, ())
                return Step((*self.path, part), self.value.get(part), annotation, metadata, spec)
            if part in self.value:
                return Step((*self.path, part), self.value[part], Any, (), None)
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return Step((*self.path, part), self.value[part], *self.item(part), self.owner)
        return None

    def item(self, index: int) -> tuple[object, tuple[object, ...]]:
        """The annotation and metadata of an item of a list."""
        for option, _ in alternatives(self.annotation, self.metadata):
            if get_origin(option) is tuple:
                members = get_args(option)
                member = members[0] if members[-1] is Ellipsis or index >= len(members) else members[index]
                (inner, notes), *rest = alternatives(member)
                return (member, ()) if rest else (inner, notes)
        return Any, ()


def follow(root: Step, location: Iterable[int | str]) -> Step:
    """The field that an error speaks of."""
    step = root
    for part in location:
        step = step.down(part) or step
    return step


def faults_of(error: ValidationError, root: Step, full: Section, within: PathTo = ()) -> list[Fault]:
    """One fault for each field that is wrong. `within` is the path of the root's value in the document."""
    by_path: dict[PathTo, list[tuple[Step, ErrorDetails]]] = {}
    for details in error.errors(include_url=False):
        step = follow(root, details["loc"][:-1] if _is_item(details) else details["loc"])
        if details["type"] == "clash":
            step = step.down(str(details["ctx"]["field"])) or step
        by_path.setdefault(step.path, []).append((step, details))
    above = {path[:length] for path in by_path for length in range(len(path))}
    faults = []
    for path, found in by_path.items():
        if path not in above or any(details["type"] in OWN for _, details in found):
            faults += _faults(found, full, within)
    return faults


def with_words_as_booleans(validate: Callable[[object], Validated], root: Step) -> Validated:
    """What `validate` makes of the root's value, with yes, no, on and off for true and false where those are wanted.

    YAML 1.2 reads these words as text, which they are in a column of the data; YAML 1.1, and so Ludwig, does not.

    Raises:
        ValidationError: the value is wrong.
    """
    value = plain(root.value)
    try:
        return validate(value)
    except ValidationError as error:
        words = [
            (follow(root, details["loc"]).path, WORDS_FOR_BOOLEANS[details["input"].lower()])
            for details in error.errors(include_url=False)
            if details["type"] == "bool_type"
            and isinstance(details["input"], str)
            and details["input"].lower() in WORDS_FOR_BOOLEANS
        ]
        if not words:
            raise
    for path, truth in words:
        place: Any = value
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = truth
    return validate(value)


OWN = ("clash", "value_error", "missing", "extra_forbidden")
"""Errors that are no echo of a deeper one."""


def _faults(found: list[tuple[Step, ErrorDetails]], full: Section, within: PathTo) -> list[Fault]:
    step, first = found[0]
    path = (*within, *step.path)
    own = [details for _, details in found if details["type"] in ("clash", "value_error")]
    if own:
        return [_own(details, path, full) for details in own]
    kinds = {details["type"]: details for _, details in found if not _is_item(details)}
    for kind, explain in (
        ("extra_forbidden", _unknown_key),
        ("missing", _missing),
        ("one_of_unknown", _unknown_name),
        ("one_of_pending", _unknown_name),
        ("one_of_mapping", _no_mapping),
        ("one_of_type", _no_name),
        ("pending", _pending),
    ):
        if kind in kinds:
            return [explain(step, kinds[kind], path, full)]
    return [_wrong_value(step, first, path, full)]


def _is_item(details: ErrorDetails) -> bool:
    """Whether the error says that a list of given length is too short."""
    return details["type"] == "missing" and isinstance(details["loc"][-1], int)


def _own(details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    """What a validator of ours says."""
    context = details.get("ctx", {})
    message = str(context.get("error", details["msg"]))
    return fault_at(full, path, message, str(context.get("allowed", "")), str(context.get("hint", "")))


def _unknown_key(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    key, spec = str(path[-1]), step.owner
    assert spec is not None
    if key in spec.later:
        return fault_at(full, path, LATER, key=True)
    keys = [name for name in spec.model_fields if name != "active"]
    hint = HINTS.get(key) or did_you_mean(key, keys) or _below(key, spec)
    return fault_at(full, path, "unknown key", "" if hint else listing(keys, 60), hint, key=True)


def _below(key: str, spec: type[Spec]) -> str:
    """A suggestion among the keys of a feature's parts."""
    for part in ("preprocessing", "encoder", "decoder", "loss"):
        choice = one_of(spec, part)
        info = spec.model_fields.get(part)
        specs = choice.registry.specs[choice.group].values() if choice else [info.annotation if info else None]
        names = {
            name for each in specs if isinstance(each, type) and issubclass(each, Spec) for name in each.model_fields
        }
        if near := did_you_mean(key, sorted(names)):
            return near.replace("'", f"'{part}.", 1)
    return ""


def _missing(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    return fault_at(full, path, "is missing", allowed_by(step.annotation, step.metadata))


def _unknown_name(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    context = details["ctx"]
    found, kind = str(context["found"]), str(context["kind"])
    if details["type"] == "one_of_pending":
        return fault_at(full, (*path, "type"), f"the {kind} '{found}' {LATER}", listing(context["names"]))
    if "feature type" in kind and not found:
        return fault_at(full, path, "has no type", listing(context["names"]), "add the key 'type'")
    hint = did_you_mean(found, context["names"])
    return fault_at(full, (*path, "type"), f"unknown {kind} '{found}'", listing(context["names"]), hint)


def _no_mapping(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    message = f"found {_found(step.value)}"
    if len(path) == 2 and path[0] in SIDES:
        hint = "e.g. {name: age, type: number}"
        return fault_at(full, path, message, "a mapping with the keys 'name' and 'type'", hint)
    return fault_at(full, path, message, f"a mapping with the key type: {listing(details['ctx']['names'])}")


def _no_name(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    return fault_at(full, (*path, "type"), f"found {_found(details['ctx']['found'])}", "a text")


def _pending(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    return fault_at(full, path, f"{shown(step.value)} {LATER}", f"{yaml(details['ctx']['only'])} in this version")


def _wrong_value(step: Step, details: ErrorDetails, path: PathTo, full: Section) -> Fault:
    options = alternatives(step.annotation, step.metadata)
    later = {value for _, notes in options for note in notes if isinstance(note, Later) for value in note.values}
    if isinstance(step.value, str) and step.value in later:
        return fault_at(full, path, f"{shown(step.value)} {LATER}", allowed_by(step.annotation, step.metadata))
    names = [value for option, _ in options for value in get_args(option) if isinstance(value, str)]
    hint = did_you_mean(step.value, names) if isinstance(step.value, str) else ""
    if not hint and path[-1] in ("name", "column", "tied") and isinstance(step.value, int | float):
        hint = f'a name is a text: write "{yaml(step.value)}" with quotes'
    if not hint and isinstance(step.value, str) and _is_number(step.value):
        hint = f"'{step.value}' is a text here: leave out the quotes"
    if details["type"] == "too_short" and not step.value:
        return fault_at(full, path, "is empty", allowed_by(step.annotation, step.metadata), hint)
    return fault_at(full, path, f"found {_found(step.value)}", allowed_by(step.annotation, step.metadata), hint)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _found(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return f"the {kind_of(value)} {shown(value)}"
    return shown(value) if isinstance(value, bool | int | float) else f"the text {shown(value)}"
