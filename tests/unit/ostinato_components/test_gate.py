"""The step gate over real bundles of small networks: a good one, one that guesses, and what can be wrong with them."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch

from ostinato import storage
from ostinato.artifacts import BUNDLE
from ostinato.batches import open_source
from ostinato.dataset import DataFolder
from ostinato.errors import ConfigError, DataError, GateError
from ostinato.gate.spec import GateSpec
from ostinato.load import load_config
from ostinato.model.ecd import ECD
from ostinato.model.folder import save_model
from ostinato.predictor import Predictor
from ostinato.split.raw_rows import held_out_rows
from ostinato.split.spec import split_spec
from ostinato_components import export, gate, preprocess
from ostinato_components.gate.bootstrap import Interval, intervals
from ostinato_components.gate.champion import CHAMPION, Champion
from ostinato_components.gate.decision import decide
from ostinato_components.gate.scoring import ScoredRows, score

ROWS = 400
GENERATOR = np.random.default_rng(0)
SIGNAL = GENERATOR.normal(size=ROWS)
TABLE = pa.table(
    {
        "signal": SIGNAL,
        "extra": GENERATOR.normal(size=ROWS),
        "group": GENERATOR.choice(["left", "right"], ROWS),
        "up": np.where(SIGNAL > 0, "yes", "no"),
    }
)
INPUTS = [{"name": "signal", "type": "number", "encoder": "passthrough"}]
OUTPUTS = [{"name": "up", "type": "binary"}]


def make(folder, dataset, weight, **changes):
    """A bundle of a linear network: it says `yes` the surer, the higher `signal` times the weight is."""
    document = {
        "input_features": INPUTS,
        "output_features": OUTPUTS,
        "combiner": {"type": "concat", "num_fc_layers": 0},
    }
    config = load_config(document | changes).config
    preprocess.run(str(dataset), config, str(folder / "data"))
    data = DataFolder(str(folder / "data"))
    torch.manual_seed(0)
    model = ECD(config, data.shapes(config))
    rows = {name: torch.tensor(column) for name, column in data.read("training").items()}
    model.fit(rows, rows)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(weight if name.endswith("last.weight") else float(name.endswith("scale")))
    save_model(str(folder / "model"), model.eval().state_dict(), config, data.fitted(config))
    shutil.copy(folder / "data" / "manifest.json", folder / "model" / "manifest.json")
    export.run(str(folder / "model"), str(folder / "data"), str(folder / "bundle"))
    return str(folder / "bundle")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def dataset(home):
    pyarrow.csv.write_csv(TABLE, home / "data.csv")
    return home / "data.csv"


@pytest.fixture(scope="module")
def good(home, dataset):
    return make(home / "good", dataset, 1.0)


@pytest.fixture(scope="module")
def bad(home, dataset):
    """Says the contrary."""
    return make(home / "bad", dataset, -1.0)


@pytest.fixture(scope="module")
def other(home, dataset):
    """As wrong as the bad one, and less sure."""
    return make(home / "other", dataset, -0.5)


@pytest.fixture
def judge(dataset, tmp_path):
    """Call it with a bundle and the section `gate`; checks what it wrote."""

    def run(bundle, *conditions, **spec):
        section = GateSpec.model_validate(
            {"conditions": conditions or ({"metric": "accuracy"},), "resamples": 100, **spec}
        )
        report, file = tmp_path / "gate.html", tmp_path / "gate.json"
        decision = gate.run(str(dataset), bundle, section.model_dump_json(), str(report), str(file))
        written = json.loads(file.read_text())
        assert (written["verdict"], written["promoted"]) == (decision.verdict, decision.promoted)
        assert written["reasons"] == list(decision.reasons) != []
        assert (decision.refusal is None) == (decision.verdict != "refused")
        assert all(np.isfinite(value) for value in decision.figures().values())
        assert report.read_text().lstrip().startswith("<!doctype html")
        return decision

    return run


@pytest.fixture
def champion(tmp_path):
    """Call it to make a bundle the champion; gives the folder."""

    def promoted(bundle):
        assert Champion(str(tmp_path / "champion")).promote(bundle)
        return str(tmp_path / "champion")

    return promoted


def test_the_first_run_is_judged_by_minimum_and_maximum_and_promoted(judge, good, tmp_path):
    folder = tmp_path / "champion"
    decision = judge(good, {"metric": "accuracy", "minimum": 0.9}, champion=str(folder))
    assert decision.verdict == "accepted"
    assert "no champion yet" in decision.notes[0]
    assert decision.promoted == Champion(str(folder)).bundle
    assert Predictor.load(decision.promoted, "onnx").predict(TABLE.slice(0, 1)).num_rows == 1


def test_what_is_below_a_minimum_or_above_a_maximum_is_refused_with_all_reasons(judge, bad, tmp_path):
    conditions = {"metric": "accuracy", "minimum": 0.9}, {"metric": "log_loss", "maximum": 0.1}
    decision = judge(bad, *conditions, champion=str(tmp_path / "champion"))
    assert isinstance(decision.refusal, GateError)
    assert len(decision.reasons) == 2
    assert decision.promoted == ""
    assert not (tmp_path / "champion").exists()


def test_a_better_model_takes_the_place_of_the_champion(judge, good, bad, champion):
    folder = champion(bad)
    before = Champion(folder).pointer.bundle
    decision = judge(good, {"metric": "accuracy", "improvement": 0.5, "significant": True}, champion=folder)
    assert decision.verdict == "accepted"
    (found,) = decision.comparisons
    assert found.challenger > 0.9 > 0.1 > found.champion
    assert found.interval.low <= found.improvement <= found.interval.high
    assert Champion(folder).pointer.previous == before
    assert storage.exists(f"{folder}/{before}/{BUNDLE}"), "the way back"


def test_a_worse_model_is_refused_and_the_champion_stays(judge, good, bad, champion):
    folder = champion(good)
    before = (Champion(folder).content, Champion(folder).bundle)
    decision = judge(bad, {"metric": "log_loss"}, champion=folder)
    assert decision.verdict == "refused"
    assert "worse by" in decision.reasons[0]
    assert (Champion(folder).content, Champion(folder).bundle) == before


def test_force_promotes_and_still_says_what_speaks_against_it(judge, good, bad, champion):
    folder = champion(good)
    decision = judge(bad, champion=folder, force=True)
    assert decision.verdict == "forced"
    assert decision.reasons
    assert Champion(folder).bundle == decision.promoted


def test_a_champion_passes_its_own_gate(judge, good, champion):
    folder = champion(good)
    before = Champion(folder).content
    assert judge(good, champion=folder).verdict == "accepted"
    assert Champion(folder).content == before
    assert judge(good, {"metric": "accuracy", "significant": True}, champion=folder).verdict == "accepted"


def test_without_promote_the_pointer_stays(judge, good, bad, champion):
    folder = champion(bad)
    before = Champion(folder).content
    assert judge(good, champion=folder, promote=False).promoted == ""
    assert Champion(folder).content == before


def test_a_missing_champion_is_told_from_a_first_run(judge, good, champion):
    folder = champion(good)
    shutil.rmtree(f"{folder}/bundles")
    decision = judge(good, champion=folder)
    assert decision.verdict == "refused"
    assert "the champion is missing" in decision.reasons[0]
    assert judge(good, champion=folder, on_missing_champion="promote").verdict == "accepted"


def test_a_damaged_champion_counts_as_missing(judge, good, bad, champion):
    folder = champion(good)
    with open(f"{Champion(folder).bundle}/model.onnx", "ab") as file:
        file.write(b"more")
    assert "checksum" in judge(bad, champion=folder).reasons[0]
    assert judge(bad, champion=folder, on_missing_champion="promote", force=True).promoted


def test_a_champion_of_a_version_that_cannot_be_read_is_incompatible(judge, good, champion):
    folder = champion(good)
    path = f"{Champion(folder).bundle}/{BUNDLE}"
    described = json.loads(storage.read_bytes(path))
    storage.write_bytes_atomic(path, json.dumps(described | {"format_version": 0, "layout": "old"}).encode())
    decision = judge(good, champion=folder)
    assert decision.verdict == "refused"
    assert "can't be read" in decision.reasons[0]
    assert judge(good, champion=folder, on_incompatible_champion="promote").verdict == "accepted"


def test_a_champion_of_an_older_version_that_can_be_read_is_compared(judge, good, bad, champion):
    """Its config lacks the fields that came since."""
    folder = champion(bad)
    bundle = Champion(folder).bundle
    described = json.loads(storage.read_bytes(f"{bundle}/{BUNDLE}"))
    changes = {
        "model_hyperparameters.json": lambda config: {
            k: v for k, v in config.items() if k not in ("gate", "data_contract")
        },
        "manifest.json": lambda manifest: manifest | {"ostinato_version": "0.0.1"},
    }
    for name, change in changes.items():
        content = json.dumps(change(json.loads(storage.read_bytes(f"{bundle}/{name}")))).encode()
        storage.write_bytes_atomic(f"{bundle}/{name}", content)
        described["files"][name] = hashlib.sha256(content).hexdigest()
    older = json.dumps(described | {"ostinato_version": "0.0.1"}).encode()
    storage.write_bytes_atomic(f"{bundle}/{BUNDLE}", older)
    decision = judge(good, {"metric": "accuracy", "improvement": 0.5}, champion=folder)
    assert decision.verdict == "accepted"
    assert decision.champion["ostinato_version"] == "0.0.1"


def test_a_champion_that_needs_columns_that_are_gone_is_incompatible(judge, good, champion, tmp_path):
    pyarrow.csv.write_csv(TABLE.append_column("gone", TABLE["extra"]), tmp_path / "old.csv")
    inputs = [*INPUTS, {"name": "gone", "type": "number", "encoder": "passthrough"}]
    folder = champion(make(tmp_path / "old", tmp_path / "old.csv", 1.0, input_features=inputs))
    decision = judge(good, champion=folder)
    assert decision.verdict == "refused"
    assert "columns that the data do not have: gone" in decision.reasons[0]
    assert judge(good, champion=folder, on_incompatible_champion="promote").verdict == "accepted"


def test_a_champion_that_predicts_something_else_is_incompatible(judge, good, champion, tmp_path, dataset):
    outputs = [{"name": "group", "type": "binary"}]
    folder = champion(make(tmp_path / "other", dataset, 1.0, output_features=outputs))
    assert "does not predict 'up'" in judge(good, champion=folder).reasons[0]


def test_a_bundle_in_the_place_of_the_pointer_is_a_config_error(judge, good):
    with pytest.raises(ConfigError, match="is a bundle itself"):
        judge(good, champion=good)


def test_a_pointer_that_is_none_is_a_data_error(judge, good, tmp_path):
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion" / CHAMPION).write_text("{}")
    with pytest.raises(DataError, match="does not name a bundle"):
        judge(good, champion=str(tmp_path / "champion"))


def test_other_data_than_those_of_the_model_are_refused(good, tmp_path):
    pyarrow.csv.write_csv(TABLE.slice(0, 100), tmp_path / "other.csv")
    section = GateSpec.model_validate({"conditions": [{"metric": "accuracy", "minimum": 0.5}]}).model_dump_json()
    with pytest.raises(DataError, match="others than the data"):
        gate.run(str(tmp_path / "other.csv"), good, section, str(tmp_path / "a"), str(tmp_path / "b"))


def test_a_slice_that_is_surely_worse_refuses_a_model_that_is_better_on_the_whole(good, dataset):
    """The new model is always right on the left, and wrong on the right where the champion is right."""
    rows = score(open_source(str(dataset)), [Predictor.load(good, "onnx")] * 2, ["group"])
    new, old = rows.models
    left = rows.slices["group"] == "left"
    truth, scores = new["up"].targets, np.empty(rows.count, np.float32)
    scores[:] = np.where(left, truth, 1 - truth)
    spec = {"conditions": [{"metric": "accuracy", "improvement": -1.0}], "slices": ["group"], "slice_rows": 10}
    new = {"up": type(new["up"])(new["up"].spec, new["up"].fitted, scores, truth)}
    decision = decide(
        GateSpec.model_validate(spec | {"resamples": 200}), ScoredRows(rows.count, (new, old), rows.slices)
    )
    assert decision.verdict == "refused"
    (reason,) = decision.reasons
    assert reason.startswith("group 'right'")
    tolerant = GateSpec.model_validate(spec | {"resamples": 200, "slice_tolerance": 1.0})
    assert decide(tolerant, ScoredRows(rows.count, (new, old), rows.slices)).verdict == "accepted"


def test_small_slices_are_not_judged_and_that_is_said(judge, good, bad, champion):
    decision = judge(good, champion=champion(bad), slices=["group"], slice_rows=1000)
    assert decision.slices == ()
    assert any("2 of 2 values are not judged" in note for note in decision.notes)


def test_a_slice_by_a_column_that_is_not_there_is_a_data_error(judge, good):
    with pytest.raises(DataError, match="grup"):
        judge(good, {"metric": "accuracy", "minimum": 0.1}, slices=["grup"])


@pytest.mark.parametrize(
    "split",
    [
        {"type": "random"},
        {"type": "stratify", "column": "up"},
        {"type": "hash", "column": "extra"},
        {"type": "datetime", "column": "extra"},
        {"type": "random", "sample": {"sample_size": 150}},
        {"type": "random", "sample": {"sample_ratio": 0.5}},
    ],
    ids=["random", "stratify", "hash", "datetime", "sample_size", "sample_ratio"],
)
def test_the_raw_test_rows_are_those_that_preprocessing_encoded(split, dataset, tmp_path):
    preprocessing = {**split.pop("sample", {}), "split": split}
    document = {"input_features": INPUTS, "output_features": OUTPUTS, "preprocessing": preprocessing}
    config = load_config(document).config
    manifest = preprocess.run(str(dataset), config, str(tmp_path / "data"), seed=7)
    data = DataFolder(str(tmp_path / "data"))
    encoded = data.read("test", ["signal"])["signal"]
    source, types = open_source(str(dataset)), {"signal": pa.float64()}
    raw = list(held_out_rows(source, config.preprocessing, split_spec(manifest.split), 7, types))
    shape = data.shapes(config)["signal"]
    signal = np.concatenate([batch.column("signal").to_numpy() for batch in raw])
    assert len(signal) == manifest.rows("test") > 10
    np.testing.assert_allclose(signal, encoded * shape.scale + shape.offset, rtol=1e-4, atol=1e-4)


def test_of_two_runs_at_once_the_slower_one_is_told(good, bad, tmp_path):
    folder = str(tmp_path / "champion")
    first, second = Champion(folder), Champion(folder)
    assert first.promote(good)
    assert second.promote(bad) is None
    assert Champion(folder).bundle == first.folder + "/" + Champion(folder).pointer.bundle


def test_many_runs_at_once_leave_one_champion_that_is_whole(judge, good, bad, tmp_path):
    folder = str(tmp_path / "champion")
    champions = [Champion(folder) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda one: one[0].promote(one[1]), zip(champions, [good, bad] * 4, strict=True)))
    assert sum(place is not None for place in placed) == 1
    assert Predictor.load(Champion(folder).bundle, "onnx")


def test_a_run_that_was_overtaken_compares_with_the_new_champion(judge, good, bad, other, champion, monkeypatch):
    from ostinato_components.gate import step

    folder = champion(bad)
    real, calls = step.score, []

    def overtaken(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            assert Champion(folder).promote(good)
        return real(*arguments)

    monkeypatch.setattr(step, "score", overtaken)
    assert judge(other, champion=folder).verdict == "refused", "as good as the first champion, worse than the next"
    assert len(calls) == 2


def test_the_champion_lives_in_a_bucket(judge, good, bad, other, s3):
    folder = "s3://warehouse/models/up"
    assert judge(bad, {"metric": "accuracy", "minimum": 0.0}, champion=folder).promoted.startswith(folder)
    slow = Champion(folder)
    decision = judge(good, {"metric": "accuracy", "improvement": 0.5}, champion=folder)
    assert decision.verdict == "accepted"
    assert slow.promote(other) is None
    assert Champion(folder).bundle == decision.promoted
    assert judge(bad, champion=folder).verdict == "refused"


def test_a_champion_that_cannot_be_reached_is_a_data_error(judge, good, s3):
    with pytest.raises(DataError, match="s3://nowhere"):
        judge(good, {"metric": "accuracy", "minimum": 0.1}, champion="s3://nowhere/models")


def of_means(values, rows, **options):
    (found,) = intervals(lambda draw: np.array([values[draw].mean()]), rows, **options)
    return found


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        values = generator.normal(0.3, 1.0, 100)
        found = of_means(values, np.arange(100), confidence=0.9, resamples=200, seed=trial)
        covered += found.low <= 0.3 <= found.high
    assert 0.82 <= covered / 200 <= 0.96


def test_intervals_of_many_rows_come_of_some_and_are_as_narrow(monkeypatch):
    values = np.random.default_rng(2).normal(0.0, 1.0, 10_000)

    def width():
        found = of_means(values, np.arange(10_000), confidence=0.95, resamples=400, seed=0)
        assert found.low < values.mean() < found.high
        return found.high - found.low

    exact = width()
    monkeypatch.setattr("ostinato_components.gate.bootstrap.MOST_ROWS", 1000)
    assert width() == pytest.approx(exact, rel=0.2)
    assert exact == pytest.approx(2 * 1.96 / 100, rel=0.15)


def test_a_difference_that_is_mostly_not_defined_has_no_interval():
    def measure(draw):
        return np.array([np.nan, 0.5])

    undefined, constant = intervals(measure, np.arange(10), confidence=0.9, resamples=100, seed=0)
    assert undefined is None
    assert constant == Interval(0.5, 0.5)
