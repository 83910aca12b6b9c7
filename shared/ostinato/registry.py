"""Which specs exist, by kind, group and name, and which class implements each.

A spec registers itself in its `spec.py`; the class binds itself in the sibling `data.py` or `nn.py` with
`@implements(Spec)`. That sibling is imported when something is first built from the spec, so that reading a
config needs neither Arrow nor torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ostinato.spec import Spec

AnySpec = TypeVar("AnySpec", bound=type[Spec])
AnyClass = TypeVar("AnyClass", bound=type[Any])

_implementations: dict[tuple[type[Spec], str], type[Any]] = {}


@dataclass
class Registry:
    """The specs of one kind (encoder, loss, …): group (a feature type, or "") -> name -> spec."""

    kind: str
    specs: dict[str, dict[str, type[Spec]]] = field(default_factory=dict)
    pending: dict[str, frozenset[str]] = field(default_factory=dict)

    def register(self, name: str, *groups: str) -> Callable[[AnySpec], AnySpec]:
        """Class decorator: the spec is `name` in each of the groups (the one group "" if none is given)."""

        def bind(spec: AnySpec) -> AnySpec:
            for group in groups or ("",):
                known = self.specs.setdefault(group, {})
                assert known.get(name, spec) is spec, f"{self.kind} {name!r} is registered twice for {group!r}"
                known[name] = spec
            return spec

        return bind

    def names(self, group: str = "") -> list[str]:
        """The names of a group, sorted."""
        return sorted(self.specs.get(group, {}))

    def get(self, name: str, group: str = "") -> type[Spec]:
        """The spec of that name.

        Raises:
            KeyError: there is none.
        """
        return self.specs[group][name]


@dataclass(frozen=True)
class OneOf:
    """A field whose spec is chosen by its key `type` among those registered in a group."""

    registry: Registry
    default: str
    group: str = ""

    def validate(self, value: Any) -> Spec:
        """The spec that the mapping describes; errors keep their place below this field."""
        known = self.registry.specs.get(self.group, {})
        if isinstance(value, Spec):
            value = value.model_dump()
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "one_of_mapping",
                "must be a mapping with the key 'type'",
                {"names": sorted(known), "found": value},
            )
        name = value.get("type", self.default)
        if not isinstance(name, str):
            raise PydanticCustomError("one_of_type", "the key 'type' must be a text", {"found": name})
        if name in known:
            return known[name].model_validate({**value, "type": name})
        pending = name in self.registry.pending.get(self.group, ())
        raise PydanticCustomError(
            "one_of_pending" if pending else "one_of_unknown",
            "{kind} '{found}' is part of the language but not implemented yet"
            if pending
            else "unknown {kind} '{found}'",
            {"kind": self.registry.kind, "found": name, "names": sorted(known)},
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda spec: spec.model_dump()),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        specs = self.registry.specs.get(self.group, {})
        return {"anyOf": [handler(spec.__pydantic_core_schema__) for _, spec in sorted(specs.items())]}


def one_of(spec: type[Spec], key: str) -> OneOf | None:
    """The choice that a field of a spec stands for, if it is one."""
    field_info = spec.model_fields.get(key)
    return next((item for item in field_info.metadata if isinstance(item, OneOf)), None) if field_info else None


def implements(spec: type[Spec], role: str = "nn") -> Callable[[AnyClass], AnyClass]:
    """Class decorator in the `data.py` or `nn.py` (the role) beside a `spec.py`: this class is built from that spec."""

    def bind(cls: AnyClass) -> AnyClass:
        _implementations[spec, role] = cls
        return cls

    return bind


def implementation(spec: type[Spec], role: str = "nn") -> type[Any]:
    """The class bound to the spec; imports the sibling module `role` of the spec's module on first use."""
    if (spec, role) not in _implementations:
        importlib.import_module(f"{spec.__module__.rpartition('.')[0]}.{role}")
    return _implementations[spec, role]
