"""Every combiner of the registry trains, is saved and loaded, and is exported with the same predictions."""

import random

import pyarrow as pa
import pytest
from lifecycle import live

from ostinato.combiners.spec import COMBINERS

ROWS = 400
INPUTS = [
    {"name": "a", "type": "number", "encoder": {"type": "passthrough"}},
    {"name": "b", "type": "number", "encoder": {"type": "ple", "num_bins": 4}},
    {"name": "c", "type": "category", "encoder": {"type": "dense", "embedding_size": 4}},
    {"name": "d", "type": "binary"},
    {"name": "t", "type": "text", "encoder": {"type": "embed", "embedding_size": 8, "reduce_output": "mean"}},
]
SEQUENCE = {"name": "t", "type": "text", "encoder": {"type": "embed", "embedding_size": 8, "reduce_output": None}}
SMALL = {
    "comparator": {"entity_1": ["a", "c"], "entity_2": ["b", "d", "t"], "output_size": 16},
    "concat": {"output_size": 16},
    "cross_attention": {"hidden_size": 16, "num_heads": 2},
    "ft_transformer": {"hidden_size": 16, "num_heads": 2, "transformer_output_size": 16},
    "gated_fusion": {"hidden_size": 16},
    "hypernetwork": {"hidden_size": 16, "hyper_hidden_size": 8, "num_fc_layers": 1, "output_size": 16},
    "perceiver": {"latent_dim": 16, "num_heads": 2, "num_latents": 4},
    "project_aggregate": {"projection_size": 16, "output_size": 16},
    "sequence_concat": {},
    "tabm": {"num_members": 4, "num_fc_layers": 2, "output_size": 16},
    "tabnet": {"size": 8, "output_size": 8, "bn_virtual_bs": 32},
    "tabtransformer": {"hidden_size": 16, "num_heads": 2, "embed_input_feature_name": 4},
    "transformer": {"hidden_size": 16, "num_heads": 2, "transformer_output_size": 16},
}


@pytest.fixture(scope="module")
def table():
    rng = random.Random(0)
    a = [rng.gauss(0, 1) for _ in range(ROWS)]
    c = [rng.choice("pqr") for _ in range(ROWS)]
    d = [rng.choice(["yes", "no"]) for _ in range(ROWS)]
    return pa.table(
        {
            "a": a,
            "b": [rng.gauss(0, 1) for _ in range(ROWS)],
            "c": c,
            "d": d,
            "t": [" ".join(rng.choices(["red", "green", "blue"], k=rng.randrange(1, 5))) for _ in range(ROWS)],
            "y": ["up" if value + (code == "p") - (flag == "no") > 0 else "down"
                  for value, code, flag in zip(a, c, d, strict=True)],
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", COMBINERS.names())
def test_every_combiner_lives(name, table, tmp_path):
    inputs = [*INPUTS[:-1], SEQUENCE] if name.startswith("sequence") else INPUTS
    document = {
        "input_features": inputs,
        "output_features": [{"name": "y", "type": "binary"}],
        "combiner": {"type": name, **SMALL[name]},
        "trainer": {"epochs": 3, "learning_rate": 0.01, "batch_size": 32, "refit": False},
    }
    live(document, table, tmp_path)
