"""The base of everything that YAML can say: frozen values with defaults, bounds and help texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError

Probability = Annotated[float, Ge(0.0), Le(1.0)]
NonNegative = Annotated[float, Ge(0.0)]
Positive = Annotated[float, Gt(0.0)]
PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
Betas = Annotated[tuple[Probability, Probability], Strict(False)]
Name = Annotated[str, MinLen(1)]


class Spec(BaseModel):
    """A part of the config. A string under a field is its help text and goes into the JSON schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)

    later: ClassVar[frozenset[str]] = frozenset()
    """Keys of the language that are not implemented yet: an error says so, instead of "unknown key"."""


@dataclass(frozen=True)
class Later:
    """Marks a field some of whose values in the language are not implemented yet: an error says so."""

    values: frozenset[str]


@dataclass(frozen=True)
class Pending:
    """Marks a field of the language that is not implemented yet: only `only` is accepted."""

    only: Any

    def check(self, value: Any) -> Any:
        """The value, if it is the only one that works."""
        if value != self.only:
            raise PydanticCustomError(
                "pending",
                "is part of the language but not implemented yet; only {only} works in this version",
                {"only": self.only},
            )
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return AfterValidator(self.check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "description": "Not implemented yet.", "const": self.only}


def clash(key: str, message: str, allowed: str = "", hint: str = "") -> PydanticCustomError:
    """What a validator raises where the value of a key does not go with another's."""
    context = {"field": key, "error": message, "allowed": allowed, "hint": hint}
    return PydanticCustomError("clash", "{error}", context)


PendingFalse = Annotated[bool, Pending(False)]
PendingNull = Annotated[Any, Pending(None)]
