"""The JSON schema of a config, for editors: made from the specs, so it can't differ from what is accepted."""

from __future__ import annotations

from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from ostinato.check_defaults import PARTS
from ostinato.config import Config
from ostinato.document import plain
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.help_texts import help_texts, summary
from ostinato.registry import OneOf, one_of
from ostinato.spec import Pending, Spec
from ostinato.wording import alternatives

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES: dict[object, Schema] = {
    bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"}, str: {"type": "string"},
    NoneType: {"type": "null"}, dict: {"type": "object"},
}  # fmt: skip
BOUNDS = (
    (Ge, "ge", "minimum"), (Gt, "gt", "exclusiveMinimum"), (Le, "le", "maximum"), (Lt, "lt", "exclusiveMaximum"),
    (MinLen, "min_length", "minimum"),
)  # fmt: skip
BOUND_OF_TYPE: dict[tuple[object, str], str] = {("string", "minimum"): "minLength", ("array", "minimum"): "minItems"}
NULL_FOR_NONE = {"gradient_clipping", "learning_rate_scheduler"}
"""Sections that `null` switches off."""
SHORT = {"encoder", "decoder", "loss", "combiner", "optimizer", "split"}
"""Sections that may be only the name of their type."""


def export_schema() -> Schema:
    """The JSON schema of a config (draft 2020-12): its long form, and its short forms such as `combiner: concat`."""
    definitions: dict[str, Schema] = {}
    root = _object(Config, definitions)
    root["properties"]["defaults"] = _defaults(definitions)
    root["properties"]["backend"] = {"anyOf": [root["properties"]["backend"], {"const": "local"}]}
    return {
        "$schema": DIALECT,
        "title": "Ostinato config",
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _object(spec: type[Spec], definitions: dict[str, Schema]) -> Schema:
    """A mapping with the fields of a spec and no others."""
    texts = help_texts(spec)
    properties = {}
    for name, info in spec.model_fields.items():
        schema = _field(name, info, definitions)
        if text := texts.get(name):
            schema = {"description": text, **schema}
        properties[name] = schema
    required = [name for name, info in spec.model_fields.items() if info.is_required()]
    schema = {"type": "object", "description": summary(spec), "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _field(name: str, info: FieldInfo, definitions: dict[str, Schema]) -> Schema:
    schema = _of(info.annotation, tuple(info.metadata), definitions)
    choice = next((note for note in info.metadata if isinstance(note, OneOf)), None)
    if choice is not None and name in SHORT:
        schema = {"anyOf": [schema, {"enum": choice.registry.names(choice.group)}]}
    if name in NULL_FOR_NONE:
        schema = {"anyOf": [schema, {"type": "null"}]}
    default = info.default
    if info.is_required() or isinstance(default, Spec) or info.default_factory is not None:
        return schema
    return {**schema, "default": list(default) if isinstance(default, tuple) else plain(default)}


def _of(annotation: object, metadata: tuple[object, ...], definitions: dict[str, Schema]) -> Schema:
    options = alternatives(annotation, metadata)
    if len(options) > 1:
        return {"anyOf": [_of(option, notes, definitions) for option, notes in options]}
    ((option, notes),) = options
    for note in notes:
        if isinstance(note, Pending):
            return {"const": note.only}
        if isinstance(note, OneOf):
            return _choice(note, definitions)
    if isinstance(option, type) and issubclass(option, Spec):
        return _reference(option, definitions)
    schema = _type(option, definitions)
    for kind, attribute, word in BOUNDS:
        for note in notes:
            if isinstance(note, kind):
                schema[BOUND_OF_TYPE.get((schema.get("type"), word), word)] = getattr(note, attribute)
    return schema


def _type(option: object, definitions: dict[str, Schema]) -> Schema:
    members = get_args(option)
    if get_origin(option) is Literal:
        return {"enum": list(members)}
    if get_origin(option) is dict:
        return {"type": "object", "additionalProperties": _member(members[1], definitions)}
    if get_origin(option) is not tuple:
        return dict(TYPES.get(option, {}))
    if members[-1] is Ellipsis:
        return {"type": "array", "items": _member(members[0], definitions)}
    items = [_member(member, definitions) for member in members]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _member(member: object, definitions: dict[str, Schema]) -> Schema:
    if get_origin(member) is Annotated:
        inner, *notes = get_args(member)
        return _of(inner, tuple(notes), definitions)
    return _of(member, (), definitions)


def _reference(spec: type[Spec], definitions: dict[str, Schema]) -> Schema:
    if spec.__name__ not in definitions:
        definitions[spec.__name__] = {}
        definitions[spec.__name__] = _object(spec, definitions)
    return {"$ref": f"#/$defs/{spec.__name__}"}


def _choice(choice: OneOf, definitions: dict[str, Schema]) -> Schema:
    """A mapping whose other keys depend on its key `type`."""
    specs = choice.registry.specs[choice.group]
    cases: list[Schema] = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _reference(spec, definitions),
        }
        for name, spec in sorted(specs.items())
    ]
    schema: Schema = {"type": "object", "properties": {"type": {"enum": sorted(specs)}}}
    if choice.default:
        cases.append({"if": {"not": {"required": ["type"]}}, "then": _reference(specs[choice.default], definitions)})
    else:
        schema["required"] = ["type"]
    return {**schema, "allOf": cases}


def _defaults(definitions: dict[str, Schema]) -> Schema:
    """The section `defaults`: parts of features, by type."""
    types = {}
    for name in sorted({*INPUTS.specs[""], *OUTPUTS.specs[""]}):
        parts = {}
        for part, registry in PARTS.items():
            if (spec := registry.specs[""].get(name)) is None:
                continue
            schema = _of(spec.model_fields[part].annotation, tuple(spec.model_fields[part].metadata), definitions)
            choice = one_of(spec, part)
            names = choice.registry.names(choice.group) if choice else []
            parts[part] = {"anyOf": [schema, {"enum": names}]} if choice else schema
        types[name] = {"type": "object", "properties": parts, "additionalProperties": False}
    text = help_texts(Config)["defaults"]
    return {"type": "object", "description": text, "properties": types, "additionalProperties": False}
