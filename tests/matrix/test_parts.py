"""Every encoder, decoder with loss, optimizer and schedule of the registries lives; none can be forgotten."""

import random
from datetime import datetime, timedelta
from math import exp

import pyarrow as pa
import pytest
from lifecycle import live

from ostinato.decoders.spec import DECODERS
from ostinato.encoders.spec import ENCODERS
from ostinato.losses.spec import LOSSES
from ostinato.trainer.spec import OPTIMIZERS

ROWS = 240
CELLS = ["8928308280fffff", "871fa4406ffffff", "0x832f5afffffffff"]
TRAINER = {"epochs": 3, "learning_rate": 0.01, "batch_size": 32, "refit": False}
INPUTS = [{"name": "number", "type": "number", "encoder": "passthrough"}, {"name": "binary", "type": "binary"}]
RATES = {"adadelta": 1.0, "rprop": 0.001, "sgd": 0.1, "asgd": 0.1, "adagrad": 0.1, "adafactor": 0.02, "lbfgs": 0.1}
SMALL = {
    "bins": {"num_bins": 4},
    "periodic": {},
    "ple": {"num_bins": 4},
    "embed": {"embedding_size": 8},
    "stacked_cnn": {"embedding_size": 8, "num_filters": 8, "fc_layers": [{"output_size": 8}]},
    "stacked_parallel_cnn": {"embedding_size": 8, "num_filters": 4, "fc_layers": [{"output_size": 8}]},
    "rnn": {"embedding_size": 8, "state_size": 8, "cell_type": "lstm", "bidirectional": True},
    "cnnrnn": {"embedding_size": 8, "num_filters": 8, "num_conv_layers": 1, "state_size": 8, "cell_type": "gru"},
    "transformer": {"embedding_size": 8, "hidden_size": 16, "num_heads": 2, "transformer_output_size": 16},
    "parallel_cnn": {"embedding_size": 8, "num_filters": 8, "fc_layers": [{"output_size": 8}]},
    "patchtst": {"patch_size": 3, "patch_stride": 2, "d_model": 16, "num_heads": 2, "num_layers": 1, "ffn_dim": 16},
    "nbeats": {"num_layers": 2, "layer_size": 16, "output_size": 8},
    "weighted_sum": {"num_fc_layers": 1},
}
OWN = {
    ("h3", "rnn"): {"cell_type": "lstm", "bidirectional": True},
    ("date", "embed"): {},
    ("h3", "embed"): {},
    ("timeseries", "passthrough"): {"reduce_output": "concat"},
}
PREPROCESSING = {"category_distribution": {"vocab": ["p", "q", "r"]}}


@pytest.fixture(scope="module")
def table():
    rng = random.Random(0)
    number = [rng.gauss(0, 1) for _ in range(ROWS)]
    category = [rng.choice("pqr") for _ in range(ROWS)]
    text = [" ".join(rng.choices(["red", "green", "blue"], k=rng.randrange(2, 6))) for _ in range(ROWS)]
    score = [value + (code == "p") - words.startswith("red") for value, code, words in
             zip(number, category, text, strict=True)]  # fmt: skip
    lengths = [rng.randrange(4, 9) for _ in range(ROWS)]
    place = ["pqr".index(code) for code in category]
    shares = [1 / (1 + exp(-value)) for value in score]
    return pa.table(
        {
            "number": number,
            "category": category,
            "binary": ["yes" if value > 0 else "no" for value in number],
            "text": text,
            "sequence": text,
            "set": text,
            "bag": text,
            "vector": [[value, rng.random()] for value in number],
            "timeseries": [
                " ".join(f"{value + step / 9:.3f}" for step in range(length))
                for value, length in zip(number, lengths, strict=True)
            ],
            "date": [datetime(2024, 1 + code, 3) + timedelta(hours=rng.randrange(600)) for code in place],
            "h3": [CELLS[code] for code in place],
            "y_number": [5 + 2 * value for value in score],
            "y_binary": ["up" if value > 0 else "down" for value in score],
            "y_category": [str(min(2, max(0, round(value + 1)))) for value in score],
            "y_category_distribution": [[share, 1 - share, 0.0] for share in shares],
            "y_set": [" ".join(["a"] * (value > 0) + ["b"] * (value < 0.5) + ["c"]) for value in score],
            "y_vector": [[5 + 2 * value, 0.5 - value, 3.0] for value in score],
        }
    )


def document(inputs=INPUTS, output=None, **trainer):
    return {
        "input_features": inputs,
        "output_features": [output or {"name": "y_binary", "type": "binary"}],
        "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16, "dropout": 0.0},
        "trainer": TRAINER | trainer,
    }


def pairs(registry):
    return [(group, name) for group in sorted(registry.specs) for name in registry.names(group)]


@pytest.mark.parametrize(("kind", "name"), pairs(ENCODERS))
def test_every_encoder_lives(kind, name, table, tmp_path):
    encoder = {"type": name, **OWN.get((kind, name), SMALL.get(name, {}))}
    live(document([*INPUTS[: kind != "number"], {"name": kind, "type": kind, "encoder": encoder}]), table, tmp_path)


@pytest.mark.parametrize(
    ("kind", "decoder", "loss"),
    [
        (kind, decoder, loss)
        for kind in sorted(LOSSES.specs)
        for number, decoder in enumerate(DECODERS.names(kind))
        for loss in (LOSSES.names(kind) if number == 0 else LOSSES.names(kind)[:1])
    ],
)
def test_every_decoder_and_loss_lives(kind, decoder, loss, table, tmp_path):
    output = {"name": f"y_{kind}", "type": kind, "decoder": {"type": decoder}, "loss": {"type": loss}}
    if kind in PREPROCESSING:
        output["preprocessing"] = PREPROCESSING[kind]
    live(document(output=output), table, tmp_path)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_lives(name, table, tmp_path):
    # L-BFGS takes its batches for the same function: of 32 rows each the loss may rise as well as fall.
    batch_size = ROWS if name == "lbfgs" else 32
    rate = RATES.get(name, 0.01)
    live(document(optimizer={"type": name}, learning_rate=rate, batch_size=batch_size), table, tmp_path)


@pytest.mark.parametrize("decay", ["linear", "exponential", "cosine", "one_cycle", "inverse_sqrt", "polynomial", "wsd"])
def test_every_schedule_lives(decay, table, tmp_path):
    live(document(learning_rate_scheduler={"decay": decay, "warmup_evaluations": 1}), table, tmp_path)
