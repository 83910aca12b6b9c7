"""What holds for every combiner, and values of some that one can check by hand."""

from __future__ import annotations

import pytest
import torch

from ostinato.combiners.spec import COMBINERS
from ostinato.errors import ConfigError
from ostinato.load import load_config
from ostinato.module import Block, Combiner
from ostinato.registry import implementation

VECTORS = [Block(("a", "b"), 1, types=("number", "number")), Block(("c",), 3, types=("category",))]
SEQUENCE = Block(("s",), 2, length=4, types=("text",))
OWN = {
    "comparator": {"entity_1": ["a", "c"], "entity_2": ["b"]},
    "cross_attention": {"hidden_size": 8, "num_heads": 2},
    "ft_transformer": {"hidden_size": 8, "num_heads": 2},
    "perceiver": {"latent_dim": 8, "num_heads": 2, "num_latents": 3},
    "tabm": {"num_members": 3, "output_size": 8},
    "tabtransformer": {"hidden_size": 8, "num_heads": 2},
    "transformer": {"hidden_size": 8, "num_heads": 2},
}


VECTOR_COMBINERS = [name for name in COMBINERS.names() if not name.startswith("sequence")]


def build(name: str, blocks: list[Block] = VECTORS, **fields: object) -> Combiner:
    torch.manual_seed(0)
    spec = COMBINERS.get(name).model_validate({"type": name, **OWN.get(name, {}), **fields})
    combiner: Combiner = implementation(type(spec))(spec, blocks)
    return combiner.eval()


def encodings(rows: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(rows, 2, 1), torch.randn(rows, 1, 3)]


@pytest.mark.parametrize("name", VECTOR_COMBINERS)
def test_the_output_has_the_size_that_was_told_and_a_row_depends_on_itself_only(name: str) -> None:
    combiner, rows = build(name), encodings(6)
    whole = combiner(rows, [None, None])
    shape = (6, combiner.num_members, combiner.output_size) if combiner.num_members > 1 else (6, combiner.output_size)
    assert whole.shape == shape
    torch.testing.assert_close(combiner([each[2:4] for each in rows], [None, None]), whole[2:4])


@pytest.mark.parametrize("name", VECTOR_COMBINERS)
def test_every_feature_makes_a_difference(name: str) -> None:
    combiner, rows = build(name), encodings(4)
    before = combiner(rows, [None, None])
    for block, feature in ((0, 0), (0, 1), (1, 0)):
        changed = [each.clone() for each in rows]
        changed[block][:, feature] += 3.0
        assert not torch.allclose(combiner(changed, [None, None]), before), (block, feature)


@pytest.mark.parametrize(
    "name",
    ["cross_attention", "ft_transformer", "perceiver", "project_aggregate", "transformer"],
)
def test_padding_of_a_sequence_makes_no_difference(name: str) -> None:
    combiner = build(name, [VECTORS[1], SEQUENCE])
    vectors, steps = torch.randn(3, 1, 3), torch.randn(3, 4, 2)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True], [False, False, False, False]])
    other = torch.where(mask.unsqueeze(-1), steps, torch.randn(3, 4, 2))
    torch.testing.assert_close(
        combiner([vectors, other], [None, mask]), combiner([vectors, steps], [None, mask]), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", ["cross_attention", "gated_fusion", "perceiver", "project_aggregate", "transformer"])
def test_a_row_of_nothing_but_padding_has_a_number(name: str) -> None:
    combiner = build(name, [SEQUENCE])
    found = combiner([torch.zeros(2, 4, 2)], [torch.tensor([[False] * 4, [True] * 4])])
    assert torch.isfinite(found).all()


def test_the_comparator_compares() -> None:
    combiner = build("comparator", [Block(("a", "b"), 2)], entity_1=["a"], entity_2=["b"], num_fc_layers=0)
    with torch.no_grad():
        combiner.bilinear.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))  # type: ignore[union-attr,operator]
    found = combiner([torch.tensor([[[1.0, 2.0], [3.0, -1.0]]])], [None])
    assert found.tolist() == [[1.0, 2.0, 3.0, -1.0, 2.0, 3.0, 1.0, 6.0]]


def test_sequence_concat_has_the_vectors_at_every_step() -> None:
    combiner = build("sequence_concat", [VECTORS[0], SEQUENCE])
    vectors, steps = torch.tensor([[[1.0], [2.0]]]), torch.arange(8.0).view(1, 4, 2)
    mask = torch.tensor([[True, True, False, False]])
    found = combiner([vectors, steps], [None, mask])
    assert found.tolist() == [[[1, 2, 0, 1], [1, 2, 2, 3], [0] * 4, [0] * 4]]
    assert (combiner.output_length, combiner.output_size) == (4, 4)
    assert combiner.mask([None, mask]) is mask
    reduced = build("sequence_concat", [VECTORS[0], SEQUENCE], reduce_output="sum")
    assert reduced([vectors, steps], [None, mask]).tolist() == [[2, 4, 2, 4]]


@pytest.mark.parametrize(
    ("blocks", "fields", "said"),
    [
        (VECTORS, {}, "no encoder gives a sequence"),
        ([SEQUENCE], {"main_sequence_feature": "a"}, "'a' gives no sequence"),
        ([SEQUENCE, Block(("u",), 2, length=5)], {}, "'u' have other lengths than 's'"),
    ],
)
def test_sequence_concat_says_what_it_needs(blocks: list[Block], fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build("sequence_concat", blocks, **fields)


def test_cross_attention_looks_at_other_features_only() -> None:
    combiner = build("cross_attention")
    assert combiner.others.tolist() == [[False, True, True], [True, False, True], [True, True, False]]
    assert build("cross_attention", [Block(("a",), 1)]).others.tolist() == [[True]]


def test_tabnet_adds_the_entropy_of_its_masks_while_training() -> None:
    combiner = build("tabnet", sparsity=1.0)
    combiner(encodings(16), [None, None])
    assert combiner.penalty is None
    combiner.train()
    combiner(encodings(16), [None, None])
    assert combiner.penalty is not None
    assert 0 < float(combiner.penalty.detach()) < 1.7, "five units: at most ln 5"
    combiner.penalty.backward()  # type: ignore[no-untyped-call]


def test_members_of_tabm_begin_as_networks_of_their_own() -> None:
    combiner = build("tabm")
    found = combiner(encodings(5), [None, None])
    assert not torch.allclose(found[:, 0], found[:, 1])


def document(**combiner: object) -> dict[str, object]:
    return {
        "input_features": [{"name": name, "type": "number"} for name in ("a", "b", "c")],
        "output_features": [{"name": "y", "type": "number"}],
        "combiner": combiner,
    }


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ((["a"], ["b"]), "'c' belong to no entity"),
        ((["a", "b"], ["b", "c"]), "'b' is in entity_1 too"),
        ((["a", "bb"], ["b", "c"]), "there is no input feature 'bb'"),
        ((["a", "b", "c"], []), "entity_2"),
    ],
)
def test_each_input_belongs_to_one_entity(entities: tuple[list[str], list[str]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(document(type="comparator", entity_1=entities[0], entity_2=entities[1]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "transformer", "hidden_size": 10, "num_heads": 4}, "no multiple of num_heads"),
        ({"type": "perceiver", "latent_dim": 10, "num_heads": 4}, "combiner.latent_dim"),
        ({"type": "tabtransformer", "embed_input_feature_name": 256}, "leaves no units"),
        ({"type": "tabnet", "num_shared_blocks": 5}, "at most 4"),
        ({"type": "tabnet", "entmax_mode": "adaptive"}, "not implemented yet"),
        ({"type": "tabpfn_v2"}, "not implemented yet"),
        ({"type": "sequence"}, "not implemented yet"),
    ],
)
def test_what_does_not_fit_is_said(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(document(**fields))
