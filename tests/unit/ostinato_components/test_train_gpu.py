"""Training on a GPU: the same bits twice, interrupted or not, and models that a CPU takes."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
import torch

from ostinato.config import Config
from ostinato.errors import Interrupted
from ostinato.load import load_config
from ostinato.model.folder import load_model
from ostinato.trainer.progress import Quiet
from ostinato_components import train
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train.step import TrainResult

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

INPUTS = [
    {"name": "a", "type": "number"},
    {"name": "c", "type": "category"},
    {"name": "b", "type": "binary"},
    {
        "name": "t",
        "type": "text",
        "preprocessing": {"max_sequence_length": 16},
        "encoder": {"type": "parallel_cnn", "embedding_size": 16, "num_filters": 16},
    },
]
OUTPUTS = [{"name": "y", "type": "number"}, {"name": "k", "type": "category"}]


def config(backend: dict[str, object] | None = None, **trainer: object) -> Config:
    return load_config(
        {
            "input_features": INPUTS,
            "output_features": OUTPUTS,
            "trainer": {"epochs": 3, "batch_size": 64, "refit": False, **trainer},
            "backend": {"trainer": backend or {}},
        }
    ).config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = random.Random(0)
    rows = 1500
    a = [rng.gauss(0, 1) for _ in range(rows)]
    table = {
        "a": a,
        "c": [rng.choice("pqr") for _ in range(rows)],
        "b": [rng.choice(["yes", "no"]) for _ in range(rows)],
        "t": [" ".join(rng.choices(["red", "green", "blue", "grey"], k=rng.randrange(1, 12))) for _ in range(rows)],
        "y": [100 * value + rng.gauss(0, 1) for value in a],
        "k": ["few" if value > 1 else "many" for value in a],
    }
    folder = str(tmp_path_factory.mktemp("data") / "data")
    preprocess(table, config(), folder, shard_rows=200)
    return folder


def trained(data: str, folder: Path, backend: dict[str, object] | None = None, **trainer: object) -> TrainResult:
    return train.run(data, config(backend, **trainer), str(folder), progress=Quiet())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(str(folder))[2].state_dict()


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def assert_learned(result: TrainResult) -> None:
    losses = result.history["validation"]["combined"]["loss"]
    assert losses[-1] < losses[0]


def test_the_same_training_twice_gives_the_same_bits(data: str, tmp_path: Path) -> None:
    assert_learned(trained(data, tmp_path / "one"))
    trained(data, tmp_path / "two")
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("precision", [True, "bfloat16", "float16"])
def test_mixed_precision_learns(data: str, tmp_path: Path, precision: bool | str) -> None:
    assert_learned(trained(data, tmp_path / "model", use_mixed_precision=precision))


def test_streamed_rows_are_those_in_memory(data: str, tmp_path: Path) -> None:
    assert_learned(trained(data, tmp_path / "model", {"rows_in_memory": 300}))


@pytest.mark.parametrize("backend", [{}, {"rows_in_memory": 300}])
def test_interrupted_training_goes_on_with_the_same_bits(data: str, tmp_path: Path, backend: dict[str, object]) -> None:
    class Terminating(Quiet):
        def step(self, step: int) -> None:
            if step == 25:
                os.kill(os.getpid(), signal.SIGTERM)

    trained(data, tmp_path / "straight", backend)
    options = {"checkpoints": str(tmp_path / "checkpoints"), "resume": True}
    with pytest.raises(Interrupted):
        train.run(data, config(backend), str(tmp_path / "model"), progress=Terminating(), **options)
    train.run(data, config(backend), str(tmp_path / "model"), progress=Quiet(), **options)
    assert_same(tmp_path / "straight", tmp_path / "model")


def test_the_model_of_a_gpu_predicts_alike_on_a_cpu(data: str, tmp_path: Path) -> None:
    """Encoders are fitted on the CPU, so bin edges are the same bits; weights differ by the order of sums only."""
    result = trained(data, tmp_path / "model", train_steps=5, epochs=1)
    assert result.peak_memory_bytes > 0
    model = load_model(str(tmp_path / "model"))[2].eval()
    rows = {
        "a": torch.linspace(-2, 2, 8), "c": torch.arange(8) % 4, "b": torch.arange(8).remainder(2).float(),
        "t": torch.randint(0, 4, (8, 16)),
    }  # fmt: skip
    on_cpu = model(rows)
    on_gpu = model.to("cuda")({name: column.to("cuda") for name, column in rows.items()})
    for name, logits in on_cpu.items():
        torch.testing.assert_close(on_gpu[name].cpu(), logits, rtol=1e-3, atol=1e-3)
