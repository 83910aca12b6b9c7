"""Every name of the language is implemented and described."""

import ast
import inspect

import pytest
import torch.nn

import ostinato.config  # noqa: F401 (registers every spec)
from ostinato.column import Column
from ostinato.combiners.spec import COMBINERS
from ostinato.decoders.spec import DECODERS
from ostinato.encoders.spec import ENCODERS
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.losses.spec import LOSSES
from ostinato.registry import Registry, implementation
from ostinato.spec import Spec
from ostinato.split.spec import SPLITS
from ostinato.trainer.spec import OPTIMIZERS

NETWORK = [ENCODERS, COMBINERS, DECODERS, LOSSES]
ALL = [*NETWORK, INPUTS, OUTPUTS, SPLITS, OPTIMIZERS]


def entries(registries: list[Registry]) -> list[pytest.param]:
    return [
        pytest.param(group, name, spec, id=f"{registry.kind}-{group}-{name}")
        for registry in registries
        for group, specs in registry.specs.items()
        for name, spec in specs.items()
    ]


def specs_below(spec: type[Spec]) -> set[type[Spec]]:
    return {spec}.union(*(specs_below(child) for child in spec.__subclasses__()))


@pytest.mark.parametrize(("group", "name", "spec"), entries(NETWORK))
def test_every_part_of_a_network_is_implemented(group, name, spec):
    assert issubclass(implementation(spec, "nn"), torch.nn.Module)


@pytest.mark.parametrize(("group", "name", "spec"), entries([INPUTS, OUTPUTS]))
def test_every_feature_type_has_a_column(group, name, spec):
    assert issubclass(implementation(spec, "data"), Column)


@pytest.mark.parametrize(("group", "name", "spec"), entries(ALL))
def test_a_spec_knows_its_own_name(group, name, spec):
    assert spec.model_fields["type"].default == name


@pytest.mark.parametrize("registry", ALL, ids=lambda registry: registry.kind)
def test_what_is_pending_is_not_implemented(registry):
    for group, names in registry.pending.items():
        assert not names & set(registry.specs.get(group, {}))


def in_the_project() -> list[type[Spec]]:
    return sorted(
        (spec for spec in specs_below(Spec) if spec.__module__.startswith("ostinato.")),
        key=lambda spec: f"{spec.__module__}.{spec.__qualname__}",
    )


@pytest.mark.parametrize("spec", in_the_project(), ids=lambda spec: spec.__qualname__)
def test_every_field_has_a_help_text(spec):
    """A string under the field: it is the help text of the docs and of the JSON schema."""
    (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(spec))).body
    assert isinstance(tree, ast.ClassDef)
    bare = [
        statement.target.id
        for statement, following in zip(tree.body, [*tree.body[1:], None], strict=True)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not statement.target.id.startswith("_")
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]
    # What only says that a field exists is described where it gets its type.
    assert set(bare) <= {"preprocessing", "encoder", "decoder", "loss", "type"}
