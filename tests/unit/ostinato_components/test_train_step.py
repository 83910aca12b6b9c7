"""The step train on small tables, from preprocessing to the model folder."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ostinato.artifacts import MANIFEST, TRAINING_PROGRESS, TRAINING_STATISTICS, WEIGHTS
from ostinato.config import Config
from ostinato.errors import DataError, Interrupted
from ostinato.load import load_config
from ostinato.model.folder import load_model
from ostinato.trainer.progress import Plan, Progress, Quiet
from ostinato_components import train
from ostinato_components.preprocess.preprocessing import run as preprocess
from ostinato_components.train.step import TrainResult


def make_config(target: str = "y", kind: str = "number", **trainer: object) -> Config:
    return load_config(
        {
            "input_features": [{"name": "a", "type": "number"}, {"name": "c", "type": "category"}],
            "output_features": [{"name": target, "type": kind}],
            "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16},
            "trainer": {"epochs": 20, "batch_size": 32, "learning_rate": 0.01, **trainer},
        }
    ).config


def table(num_rows: int = 300) -> dict[str, list[object]]:
    rng = random.Random(0)
    a = [rng.gauss(0, 1) for _ in range(num_rows)]
    c = [rng.choice("pqr") for _ in range(num_rows)]
    y = [1000 + 100 * value + 50 * (code == "p") for value, code in zip(a, c, strict=True)]
    noise = [rng.gauss(0, 1) for _ in range(num_rows)]
    flag = ["yes" if value > 1040 else "no" for value in y]
    return {"a": a, "c": c, "y": y, "noise": noise, "flag": flag}


def run(
    folder: Path, config: Config, data: dict[str, list[object]] | None = None, **arguments: object
) -> tuple[TrainResult, str]:
    preprocess(data or table(), config, str(folder / "data"))
    model = str(folder / "model")
    arguments = {"progress": Quiet(), **arguments}
    return train.run(str(folder / "data"), config, model, **arguments), model  # type: ignore[arg-type]


def test_the_model_folder_is_whole(tmp_path: Path) -> None:
    result, model = run(tmp_path, make_config())

    assert sorted(os.listdir(model)) == [
        "learning_curves.html",
        "lock.json",
        "manifest.json",
        "model_hyperparameters.json",
        "model_weights.safetensors",
        "training_progress.json",
        "training_set_metadata.json",
        "training_statistics.json",
    ]
    config, fitted, network = load_model(model)
    assert config.output_features[0].name == "y"
    assert set(fitted) == {"a", "c", "y"}
    assert not network.training
    assert result.best_metrics["y"]["r2"] > 0.8
    assert result.warnings == ()


def test_statistics_have_the_shape_of_ludwig(tmp_path: Path) -> None:
    result, model = run(tmp_path, make_config())
    statistics = json.loads(Path(model, TRAINING_STATISTICS).read_text())

    assert statistics == result.history
    assert set(statistics) == {"training", "validation", "test", "evaluation_frequency"}
    assert statistics["evaluation_frequency"] == {"frequency": 1, "period": "epoch"}
    assert len(statistics["training"]["y"]["loss"]) == 20
    assert len(statistics["validation"]["combined"]["loss"]) == 20
    assert "root_mean_squared_error" in statistics["validation"]["y"]


def test_the_model_folder_says_which_data_it_was_trained_on(tmp_path: Path) -> None:
    _, model = run(tmp_path, make_config(epochs=1))
    assert Path(model, MANIFEST).read_text() == Path(tmp_path, "data", MANIFEST).read_text()


def test_progress_says_where_training_ended(tmp_path: Path) -> None:
    result, model = run(tmp_path, make_config(epochs=3))
    progress = json.loads(Path(model, TRAINING_PROGRESS).read_text())
    assert progress["epochs"] == 3
    assert progress["best_step"] == result.best_step
    assert progress["stopped"] == "epochs"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> bytes:
        _, model = run(tmp_path / name, make_config(epochs=3), seed=seed)
        return Path(model, WEIGHTS).read_bytes()

    assert weights("first", 1) == weights("second", 1)
    assert weights("first", 1) != weights("third", 2)


def test_the_callers_random_numbers_stay_as_they_are(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(tmp_path, make_config(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("target", "kind"), [("noise", "number"), ("coin", "binary"), ("coin", "category")])
def test_a_model_that_learned_nothing_says_so(tmp_path: Path, target: str, kind: str) -> None:
    rng = random.Random(1)
    data = table()
    data["coin"] = [rng.choice(["heads", "heads", "tails"]) for _ in data["a"]]
    result, _ = run(tmp_path, make_config(target, kind, epochs=3, learning_rate=1e-4), data)
    assert len(result.warnings) == 1
    assert f"{target}: the model is no better than predicting the" in result.warnings[0]


@pytest.mark.parametrize("kind", ["binary", "category"])
def test_a_model_that_learned_something_does_not(tmp_path: Path, kind: str) -> None:
    result, _ = run(tmp_path, make_config("flag", kind))
    assert result.warnings == ()


def test_curves_are_one_file_that_loads_nothing(tmp_path: Path) -> None:
    result, _ = run(tmp_path, make_config(), learning_curves_path=str(tmp_path / "curves.html"))
    page = (tmp_path / "curves.html").read_text()
    assert page.count("<svg") == len(result.history["validation"]["y"])
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page


def test_a_name_in_the_curves_is_escaped(tmp_path: Path) -> None:
    name = "<b>y & z</b>"
    data = table()
    data[name] = data["y"]
    _, model = run(tmp_path, make_config(name, epochs=1), data)
    page = Path(model, "learning_curves.html").read_text()
    assert "&lt;b&gt;y &amp; z&lt;/b&gt;" in page
    assert name not in page


def test_the_log_can_be_left_out(tmp_path: Path) -> None:
    _, model = run(tmp_path, make_config(epochs=1), skip_save_log=True)
    assert "learning_curves.html" not in os.listdir(model)


def test_an_older_model_is_not_taken_for_this_one(tmp_path: Path) -> None:
    config = make_config(epochs=1)
    _, model = run(tmp_path, config)

    class Stop(Quiet):
        def start(self, plan: Plan) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="before its first evaluation"):
        train.run(str(tmp_path / "data"), config, model, progress=Stop())
    assert WEIGHTS not in os.listdir(model)


class StopAt(Quiet):
    """Ctrl-C after a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, step: int) -> None:
        if step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_run_leaves_its_best_model(tmp_path: Path) -> None:
    config = make_config(epochs=1000)
    with pytest.raises(Interrupted, match="the best model so far, of epoch") as caught:
        run(tmp_path, config, progress=StopAt(50))
    assert caught.value.exit_code == 4
    load_model(str(tmp_path / "model"))
    assert json.loads((tmp_path / "model" / TRAINING_PROGRESS).read_text())["stopped"] == "interrupted"


def test_no_training_rows_are_an_error(tmp_path: Path) -> None:
    config = make_config()
    preprocess(table(), config, str(tmp_path / "data"))
    manifest = json.loads((tmp_path / "data" / MANIFEST).read_text())
    manifest["splits"]["training"] = []
    (tmp_path / "data" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="no training rows"):
        train.run(str(tmp_path / "data"), config, str(tmp_path / "model"), progress=Quiet())


def streamed(config: Config, rows: int) -> Config:
    trainer = config.backend.trainer.model_copy(update={"rows_in_memory": rows})
    return config.model_copy(update={"backend": config.backend.model_copy(update={"trainer": trainer})})


def test_rows_that_do_not_fit_into_memory_are_streamed(tmp_path: Path) -> None:
    config = streamed(make_config(epochs=30), 100)
    preprocess(table(), config, str(tmp_path / "data"), shard_rows=40)
    result = train.run(str(tmp_path / "data"), config, str(tmp_path / "model"), progress=Quiet())
    in_memory, _ = run(tmp_path / "memory", make_config(epochs=30))
    assert result.steps == in_memory.steps
    assert result.best_value == pytest.approx(in_memory.best_value, rel=1)
    assert result.best_value is not None
    assert result.best_value < 0.1


def test_shuffling_in_windows_learns_as_well_as_shuffling_all_though_the_file_is_sorted(tmp_path: Path) -> None:
    data = table(3000)
    noise: list[float] = data["noise"]  # type: ignore[assignment]
    data["flag"] = ["yes" if y + 100 * n > 1040 else "no" for y, n in zip(data["y"], noise, strict=True)]  # type: ignore[operator]
    order = sorted(range(3000), key=lambda row: float(data["y"][row]))  # type: ignore[arg-type]
    sorted_data = {name: [values[row] for row in order] for name, values in data.items()}
    config = make_config("flag", "binary", epochs=8, refit=False)
    preprocess(sorted_data, config, str(tmp_path / "data"), shard_rows=32)
    losses = []
    for rows in (100_000, 800):
        result = train.run(str(tmp_path / "data"), streamed(config, rows), str(tmp_path / "model"), progress=Quiet())
        losses.append(result.best_value)
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "the manifest says"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "its digest differs"),
    ],
    ids=["deleted", "truncated", "overwritten"],
)
@pytest.mark.parametrize("rows", [100_000, 100])
def test_a_shard_that_was_damaged_is_named(
    tmp_path: Path, damage: Callable[[Path], object], words: str, rows: int
) -> None:
    config = streamed(make_config(epochs=1), rows)
    preprocess(table(), config, str(tmp_path / "data"), shard_rows=40)
    damage(tmp_path / "data" / "training-00002.parquet")
    with pytest.raises(DataError, match=rf"training-00002\.parquet: .*{words}"):
        train.run(str(tmp_path / "data"), config, str(tmp_path / "model"), progress=Quiet())


def test_the_log_and_the_record_tell_how_fast_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="ostinato.train"):
        result, model = run(tmp_path, make_config(epochs=2))
    assert result.rows_per_s > 0
    assert 0 <= result.data_wait_share <= 1
    assert result.peak_memory_bytes > 50e6
    assert "rows/s" in caplog.text
    assert "waiting for data" in (Path(model) / "learning_curves.html").read_text()
    assert json.loads((Path(model) / TRAINING_PROGRESS).read_text())["rows_per_s"] == result.rows_per_s


def test_nothing_is_left_of_checkpoints_when_training_has_ended(tmp_path: Path) -> None:
    run(tmp_path, make_config(epochs=2), checkpoints=str(tmp_path / "checkpoints"))
    assert not (tmp_path / "checkpoints").exists()


class Interrupting(Quiet):
    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, step: int) -> None:
        if step == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


def test_another_config_seed_or_table_does_not_go_on_from_these_checkpoints(tmp_path: Path) -> None:
    checkpoints = {"checkpoints": str(tmp_path / "checkpoints"), "resume": True}
    with pytest.raises(Interrupted, match="--resume"):
        run(tmp_path, make_config(epochs=2, refit=False), progress=Interrupting(3), **checkpoints)
    notes: list[str] = []

    class Notes(Quiet):
        def note(self, text: str) -> None:
            notes.append(text)

    run(tmp_path, make_config(epochs=3, refit=False), progress=Notes(), **checkpoints)
    run(tmp_path, make_config(epochs=2, refit=False), progress=Notes(), seed=1, **checkpoints)
    run(tmp_path, make_config(epochs=2, refit=False), table(301), progress=Notes(), **checkpoints)
    assert notes == []
    run(tmp_path, make_config(epochs=2, refit=False), progress=Notes(), **checkpoints)
    assert notes == ["goes on from step 3 (epoch 0)"]


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    checkpoints = {"checkpoints": str(tmp_path / "checkpoints")}
    with pytest.raises(Interrupted):
        run(tmp_path, make_config(epochs=2), progress=Interrupting(3), resume=True, **checkpoints)
    result, _ = run(tmp_path, make_config(epochs=2), resume=False, **checkpoints)
    assert result.steps == 2 * 7
    assert not (tmp_path / "checkpoints").exists()


def test_the_package_can_be_imported_without_torch() -> None:
    code = (
        "import sys, ostinato_components.train as train; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pyarrow', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_progress_of_ones_own_is_told_everything(tmp_path: Path) -> None:
    told: list[str] = []

    class Teller(Progress):
        def start(self, plan: Plan) -> None:
            told.append(f"start {plan.num_rows}")

        def step(self, step: int) -> None:
            pass

        def evaluation(self, line: object) -> None:
            told.append("evaluation")

        def note(self, text: str) -> None:
            told.append(text)

        def close(self) -> None:
            told.append("close")

    run(tmp_path, make_config(epochs=2, refit=False), progress=Teller())
    assert told == ["start 210", "evaluation", "evaluation", "close"]
