"""What belongs together in a network: features to encoders, outputs to those they depend on, names to modules."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from torch import nn

from ostinato.errors import ConfigError, Problem, listing
from ostinato.features.spec import InputSpec, OutputSpec
from ostinato.module import GroupEncoder
from ostinato.registry import implementation
from ostinato.shape import Shape


@dataclass(frozen=True)
class Group:
    """Input features that one call of one encoder turns into one block."""

    key: str
    """Name of the encoder's module."""
    features: tuple[str, ...]


def module_key(name: str) -> str:
    """A name for a module by the name of a feature; torch forbids dots and names of its own attributes.

    >>> module_key("body.mass (g)")
    '_body%2Emass%20%28g%29'
    """
    return "_" + quote(name, safe="").replace(".", "%2E")


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Says in every ConfigError from within where it happened."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            dataclasses.replace(problem, where=f"{place}, {problem.where}" if problem.where else place)
            for problem in error.problems
        ) from error


def build_encoders(
    inputs: Sequence[InputSpec], shapes: Mapping[str, Shape]
) -> tuple[list[Group], dict[str, nn.Module]]:
    """The groups of features and the encoder of each, by key, in the order of the first feature of each."""
    roots = _tie_roots(inputs)
    is_tied = set(roots.values()) & {roots[name] for name in roots if roots[name] != name}
    members: dict[tuple[str, str], list[InputSpec]] = {}
    for spec in inputs:
        grouped = issubclass(implementation(type(spec.encoder)), GroupEncoder) and roots[spec.name] not in is_tied
        own = "" if grouped else spec.name
        members.setdefault((own, spec.encoder.model_dump_json() if grouped else ""), []).append(spec)
    by_name = {spec.name: spec for spec in inputs}
    groups: list[Group] = []
    encoders: dict[str, nn.Module] = {}
    for features in members.values():
        names = tuple(spec.name for spec in features)
        root = by_name[roots[names[0]]]
        key = module_key(root.name) if len(names) == 1 else f"{root.encoder.type}_{len(groups)}"
        groups.append(Group(key, names))
        if key not in encoders:
            with at(f"input feature '{root.name}'"):
                encoders[key] = _encoder(root, [shapes[root.name]] if len(names) == 1 else [shapes[n] for n in names])
    return groups, encoders


def _encoder(spec: InputSpec, shapes: Sequence[Shape]) -> nn.Module:
    cls = implementation(type(spec.encoder))
    encoder: nn.Module = cls(spec.encoder, shapes if issubclass(cls, GroupEncoder) else shapes[0])
    return encoder


def _tie_roots(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """For each input the one whose encoder it uses: its own, or that at the end of its `tied`."""
    by_name = {spec.name: spec for spec in inputs}
    roots: dict[str, str] = {}
    for spec in inputs:
        root, seen = spec, {spec.name}
        while root.tied is not None:
            other = by_name.get(root.tied)
            if other is None or other.name in seen or other.type != spec.type:
                raise ConfigError(
                    Problem(
                        f"input feature '{spec.name}', tied",
                        f"found '{root.tied}'",
                        f"another input feature of type {spec.type}, not in a circle",
                    )
                )
            root = other
            seen.add(other.name)
        roots[spec.name] = root.name
    return roots


def dependency_order(outputs: Sequence[OutputSpec]) -> list[str]:
    """Names of the outputs, each after those it depends on.

    Raises:
        ConfigError: a dependency that is no output, or a circle of them.
    """
    names = [spec.name for spec in outputs]
    problems = [
        Problem(f"output feature '{spec.name}', dependencies", f"'{other}' is no output feature", listing(names))
        for spec in outputs
        for other in spec.dependencies
        if other not in names
    ]
    if problems:
        raise ConfigError(problems)
    order: list[str] = []
    waiting = list(outputs)
    while waiting:
        ready = [spec for spec in waiting if set(spec.dependencies) <= set(order)]
        if not ready:
            circle = listing(repr(spec.name) for spec in waiting)
            raise ConfigError(Problem("output features, dependencies", f"{circle} depend on each other in a circle"))
        order.extend(spec.name for spec in ready)
        waiting = [spec for spec in waiting if spec not in ready]
    return order


def by_key(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of each encoder: several where features are tied."""
    keyed: dict[str, list[Group]] = {}
    for group in groups:
        keyed.setdefault(group.key, []).append(group)
    return keyed
