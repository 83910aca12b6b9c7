"""Several processes train one model: the same course as one process with the same batches."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.errors import DataError, OstinatoError
from ostinato.load import load_config
from ostinato.model.folder import load_model
from ostinato.trainer.progress import Quiet
from ostinato_components import train
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train.processes import check_accelerators
from ostinato_components.train.step import TrainResult

INPUTS = [{"name": "a", "type": "number"}, {"name": "c", "type": "category"}, {"name": "b", "type": "binary"}]
# A root of a mean, classes of unequal weight and a rare class: what a mean of means would get wrong.
OUTPUTS = [
    {"name": "y", "type": "number", "loss": {"type": "root_mean_squared_error"}},
    {"name": "k", "type": "category", "loss": {"class_weights": {"few": 5.0, "many": 1.0}}},
]


def config(backend: dict[str, object], **trainer: object):
    return load_config(
        {
            "input_features": INPUTS,
            "output_features": OUTPUTS,
            "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16, "dropout": 0.0},
            "trainer": {"epochs": 3, "effective_batch_size": 64, "learning_rate": 0.01, "refit": False, **trainer},
            "backend": {"trainer": backend},
        }
    ).config


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    rng = random.Random(0)
    rows = 997
    a = [rng.gauss(0, 1) for _ in range(rows)]
    c = [rng.choice("pqr") for _ in range(rows)]
    table = {
        "a": a,
        "c": c,
        "b": [rng.choice(["yes", "no"]) for _ in range(rows)],
        "y": [1000 + 100 * value + 50 * (code == "p") for value, code in zip(a, c, strict=True)],
        "k": ["few" if value > 1.5 else "many" for value in a],
    }
    folder = str(tmp_path_factory.mktemp("data") / "data")
    preprocess(table, config({}), folder, shard_rows=64)
    return folder


def trained(data: str, folder: Path, backend: dict[str, object], **trainer: object) -> TrainResult:
    return train.run(data, config(backend, **trainer), str(folder), progress=Quiet())


def assert_same_course(one: TrainResult, other: TrainResult) -> None:
    assert other.steps == one.steps
    for split in ("training", "validation"):
        for output in ("y", "k", "combined"):
            losses = [result.history[split][output]["loss"] for result in (one, other)]
            np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-6)
    for metric, value in one.best_metrics["k"].items():
        assert other.best_metrics["k"][metric] == pytest.approx(value, rel=1e-4), metric


def assert_same_model(one: Path, other: Path) -> None:
    first, second = (load_model(str(folder))[2].state_dict() for folder in (one, other))
    for name, tensor in first.items():
        np.testing.assert_allclose(second[name].numpy(), tensor.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_as_one_does_with_the_same_batches(data, tmp_path, strategy):
    one = trained(data, tmp_path / "one", {})
    two = trained(data, tmp_path / "two", {"num_workers": 2, "strategy": strategy})
    assert (one.num_processes, two.num_processes) == (1, 2)
    assert_same_course(one, two)
    assert_same_model(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_parts_of_a_batch_count_alike_on_every_process(data, tmp_path):
    """Of 700 rows by 100 layers about 60 MB of activations are kept: more than a CPU works on at once."""
    folders = {size: tmp_path / str(size) for size in (1, 2)}
    document = {
        "input_features": INPUTS,
        "output_features": [OUTPUTS[1]],
        "combiner": {"type": "concat", "num_fc_layers": 100, "output_size": 32, "norm": "layer", "dropout": 0.0},
        "trainer": {"epochs": 2, "effective_batch_size": 700, "learning_rate": 1e-3, "refit": False},
    }
    one, two = (
        train.run(
            data, load_config(document | {"backend": {"trainer": {"num_workers": size}}}).config, str(folder),
            progress=Quiet(),
        )
        for size, folder in folders.items()
    )  # fmt: skip
    np.testing.assert_allclose(
        *(result.history["training"]["combined"]["loss"] for result in (one, two)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow
def test_gradients_of_several_batches_make_an_update_on_every_process(data, tmp_path):
    options = {"gradient_accumulation_steps": 2, "regularization_lambda": 0.01, "optimizer": "rmsprop"}
    assert_same_course(
        trained(data, tmp_path / "one", {}, **options),
        trained(data, tmp_path / "two", {"num_workers": 2}, **options),
    )


@pytest.mark.slow
def test_each_process_streams_its_own_rows_and_takes_a_batch_of_its_own(data, tmp_path):
    streamed = {"num_workers": 2, "rows_in_memory": 200}
    result = trained(
        data, tmp_path / "two", streamed, effective_batch_size="auto", batch_size=32, learning_rate_scaling="sqrt"
    )
    assert result.batch_size == 64
    assert result.learning_rate == pytest.approx(0.01 * 2**0.5)
    losses = result.history["validation"]["combined"]["loss"]
    assert losses[-1] < losses[0]


def test_more_processes_than_rows_are_refused(tmp_path):
    few = {
        "a": [1.0, 2.0, 3.0] * 2,
        "c": list("pqrpqr"),
        "b": ["yes", "no"] * 3,
        "y": [1.0] * 6,
        "k": ["few", "many"] * 3,
    }
    preprocess(few, config({}), str(tmp_path / "data"))
    with pytest.raises(DataError, match="training rows for 4 processes"):
        trained(str(tmp_path / "data"), tmp_path / "model", {"num_workers": 4})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error_and_not_days_on_a_cpu() -> None:
    with pytest.raises(OstinatoError, match=r"accelerators: 2 were asked for, and this pod has none"):
        check_accelerators("2")
    for none in ("0", "", " "):
        check_accelerators(none)
