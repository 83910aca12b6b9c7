"""What users do wrong, through the command line: a clear error or what docs/data.md says, never a traceback."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml

from ostinato_pipelines.cli import main

CONFIG = {
    "input_features": [{"name": "x", "type": "number"}, {"name": "c", "type": "category"}],
    "output_features": [{"name": "y", "type": "binary"}],
    "trainer": {"epochs": 2, "batch_size": 32},
}
NO_TRACE = "Traceback"


def rows(count: int = 120, seed: int = 0) -> list[dict[str, object]]:
    generator = random.Random(seed)
    values = [round(generator.gauss(0, 1), 3) for _ in range(count)]
    return [{"x": x, "c": generator.choice("abc"), "y": "yes" if x > 0 else "no"} for x in values]


def write_csv(path: Path, table: list[dict[str, object]], header: list[str] | None = None) -> Path:
    names = header or list(table[0])
    lines = [",".join(f'"{name}"' if not name.isidentifier() else name for name in names)]
    lines += [",".join("" if row[name] is None else str(row[name]) for name in names) for row in table]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Shop:
    """Runs commands in a folder and keeps what they say."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def config(self, **changes: object) -> str:
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(CONFIG | changes), encoding="utf-8")
        return str(path)

    def run(self, *arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        assert NO_TRACE not in captured.err
        return code, captured.out, captured.err

    def train(self, data: Path, **changes: object) -> tuple[int, str, str]:
        out = self.folder / "results"
        return self.run("train", "--config", self.config(**changes), "--dataset", data, "--output_directory", out)

    def manifest(self) -> dict[str, object]:
        manifests = sorted(self.folder.glob("results/*/model/manifest.json"), key=lambda path: path.stat().st_mtime_ns)
        return json.loads(manifests[-1].read_text(encoding="utf-8"))

    def model(self) -> Path:
        return self.folder / "results" / "experiment_run" / "model"


@pytest.fixture
def shop(tmp_path, capsys):
    return Shop(tmp_path, capsys)


@pytest.fixture
def data(tmp_path):
    return write_csv(tmp_path / "data.csv", rows())


def test_an_empty_file_is_a_data_error(shop, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()
    code, _, error = shop.train(empty)
    assert code == 3
    assert "empty" in error


def test_a_header_without_rows_is_a_data_error(shop, tmp_path):
    header = tmp_path / "header.csv"
    header.write_text("x,c,y\n")
    code, _, error = shop.train(header)
    assert code == 3
    assert "no rows" in error


def test_a_target_of_one_class_is_a_data_error(shop, tmp_path):
    code, _, error = shop.train(write_csv(tmp_path / "one.csv", [row | {"y": "yes"} for row in rows()]))
    assert code == 3
    assert "'y'" in error or "y:" in error
    assert "yes" in error


def test_a_target_that_is_always_missing_is_a_data_error(shop, tmp_path):
    code, _, error = shop.train(write_csv(tmp_path / "none.csv", [row | {"y": None} for row in rows()]))
    assert code == 3
    assert "missing" in error


def test_an_input_that_is_always_missing_trains_with_a_warning(shop, tmp_path):
    code, _, error = shop.train(write_csv(tmp_path / "none.csv", [row | {"x": None} for row in rows()]))
    assert code == 0
    assert "x: no numbers" in error


def test_rows_without_a_target_are_left_out_and_counted(shop, tmp_path):
    table = [row | {"y": None if number % 4 == 0 else row["y"]} for number, row in enumerate(rows())]
    code, _, _ = shop.train(write_csv(tmp_path / "some.csv", table))
    assert code == 0
    manifest = shop.manifest()
    assert sum(manifest["dropped_rows"].values()) == 30
    assert sum(shard["rows"] for shards in manifest["splits"].values() for shard in shards) == 90


@pytest.mark.parametrize("word", ["NaN", "N/A", "", "inf", "-inf"])
def test_words_for_missing_numbers_and_infinities_count_as_missing(shop, tmp_path, word):
    table = [row | {"x": word if number % 10 == 0 else row["x"]} for number, row in enumerate(rows())]
    code, _, _ = shop.train(write_csv(tmp_path / "words.csv", table))
    assert code == 0


def test_thousands_separators_are_read(shop, tmp_path):
    table = [row | {"x": f'"{number:,}"'} for number, row in enumerate(rows(count=120), start=5000)]
    code, _, _ = shop.train(write_csv(tmp_path / "thousands.csv", table))
    assert code == 0
    assert not shop.manifest()["unparsable"].get("x")


def test_much_text_in_a_number_column_is_a_data_error(shop, tmp_path):
    table = [row | {"x": "abc" if number % 5 == 0 else row["x"]} for number, row in enumerate(rows())]
    code, _, error = shop.train(write_csv(tmp_path / "text.csv", table))
    assert code == 3
    assert "abc" in error
    assert "x" in error


def test_a_little_text_in_a_number_column_is_counted(shop, tmp_path):
    table = [row | {"x": "abc" if number == 7 else row["x"]} for number, row in enumerate(rows(count=400))]
    code, _, error = shop.train(write_csv(tmp_path / "text.csv", table))
    assert code == 0
    assert shop.manifest()["unparsable"]["x"]["count"] == 1
    assert "abc" in error


def test_categories_unseen_in_training_are_predicted_and_counted(shop, data, tmp_path):
    assert shop.train(data)[0] == 0
    new = write_csv(tmp_path / "new.csv", [row | {"c": "never seen"} for row in rows(5)])
    code, out, error = shop.run("predict", "-m", shop.model(), "--dataset", new, "-od", tmp_path / "out")
    assert code == 0
    assert "5 rows" in out
    assert "c" in error
    assert "unseen" in error or "unknown" in error


def test_a_category_of_very_many_values_trains(shop, tmp_path):
    table = [row | {"c": f"id{number}"} for number, row in enumerate(rows(count=100_000))]
    trainer = {"train_steps": 2, "batch_size": 1024}
    code, _, _ = shop.train(write_csv(tmp_path / "many.csv", table), trainer=trainer)
    assert code == 0


ODD_NAMES = ["with space", "dotted.name", "naïve Größe 数", "it's", "a/b", "[brackets]", "colon: x", "x__y"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_column_names_work_from_training_to_prediction(shop, tmp_path, name):
    table = [{name: row["x"], "c": row["c"], "y": row["y"]} for row in rows()]
    path = write_csv(tmp_path / "odd.csv", table)
    features = [{"name": name, "type": "number"}, {"name": "c", "type": "category"}]
    code, _, error = shop.train(path, input_features=features)
    assert code == 0, error
    code, _, error = shop.run("predict", "-m", shop.model(), "--dataset", path, "-od", tmp_path / "out")
    assert code == 0, error


def test_an_odd_name_of_a_target_works(shop, tmp_path):
    table = [{"x": row["x"], "c": row["c"], "the target, é": row["y"]} for row in rows()]
    outputs = [{"name": "the target, é", "type": "binary"}]
    path = write_csv(tmp_path / "odd.csv", table)
    config = shop.config(output_features=outputs)
    code, _, error = shop.run("experiment", "-c", config, "--dataset", path, "-od", tmp_path / "results")
    assert code == 0, error
    predictions = pq.read_table(tmp_path / "results" / "experiment_run" / "predictions.parquet")
    assert "the target, é_predictions" in predictions.column_names


def test_duplicate_column_names_are_a_data_error(shop, tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("x,c,y,x\n" + "1,a,yes,2\n" * 20)
    code, _, error = shop.train(path)
    assert code == 3
    assert "x" in error
    assert "twice" in error or "duplicate" in error


def test_mixed_types_in_a_column_are_one_category_each(shop, tmp_path):
    table = [row | {"c": ["1", "1.0", "x", "2.5", "true"][number % 5]} for number, row in enumerate(rows())]
    code, _, _ = shop.train(write_csv(tmp_path / "mixed.csv", table))
    assert code == 0


def test_ragged_rows_are_a_data_error_with_the_line(shop, tmp_path):
    path = write_csv(tmp_path / "ragged.csv", rows())
    lines = path.read_text().splitlines()
    lines[17] += ",extra"
    path.write_text("\n".join(lines) + "\n")
    code, _, error = shop.train(path)
    assert code == 3
    assert "18" in error


def test_a_wrong_encoding_is_a_data_error_that_says_what_to_do(shop, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"x,c,y\n" + "1,Größe,yes\n2,b,no\n".encode("latin-1") * 30)
    code, _, error = shop.train(path)
    assert code == 3
    assert "UTF-8" in error


def test_a_column_missing_at_prediction_is_a_data_error(shop, data, tmp_path):
    assert shop.train(data)[0] == 0
    new = write_csv(tmp_path / "new.csv", [{"xx": 1, "c": "a"}])
    code, _, error = shop.run("predict", "-m", shop.model(), "--dataset", new, "-od", tmp_path / "out")
    assert code == 3
    assert "'x'" in error
    assert "xx" in error


def test_prediction_needs_no_target(shop, data, tmp_path):
    assert shop.train(data)[0] == 0
    new = write_csv(tmp_path / "new.csv", [{"x": 1, "c": "a"}])
    code, out, _ = shop.run("predict", "-m", shop.model(), "--dataset", new, "-od", tmp_path / "out")
    assert code == 0
    assert "1 row" in out


def test_one_row_of_data_is_a_data_error(shop, tmp_path):
    code, _, error = shop.train(write_csv(tmp_path / "one.csv", rows(1)))
    assert code == 3
    assert error


def test_a_file_that_does_not_exist_is_a_data_error(shop, tmp_path):
    code, _, error = shop.train(tmp_path / "nowhere.csv")
    assert code == 3
    assert "nowhere.csv" in error


def test_a_file_that_may_not_be_read_is_a_data_error(open_folder, nobody, capsys):
    shop = Shop(open_folder, capsys)
    data = write_csv(open_folder / "data.csv", rows())
    command = ["validate", shop.config(), "--dataset", data]
    assert shop.run(*command)[0] == 0
    data.chmod(0)
    nobody()
    code, _, error = shop.run(*command)
    assert code == 3
    assert "permission" in error.lower()


def test_a_feature_missing_in_the_data_is_found_by_validate(shop, data):
    features = [{"name": "xs", "type": "number"}, {"name": "d", "type": "category"}]
    code, _, error = shop.run("validate", shop.config(input_features=features), "--dataset", data)
    assert code == 3
    assert "xs" in error
    assert "did you mean 'x'?" in error
    assert "'d'" in error


def test_a_config_of_two_thousand_features_trains(shop, tmp_path):
    names = [f"f{number}" for number in range(2000)]
    generator = random.Random(1)
    path = tmp_path / "wide.csv"
    lines = [",".join([*names, "y"])]
    lines += [",".join([*(str(generator.random()) for _ in names), generator.choice(["yes", "no"])]) for _ in range(40)]
    path.write_text("\n".join(lines) + "\n")
    features = [{"name": name, "type": "number"} for name in names]
    code, _, error = shop.train(path, input_features=features, trainer={"train_steps": 2, "batch_size": 16})
    assert code == 0, error


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("input_features:\n\t- name: x\n", "2:1"),
        ("trainer: {epochs: 1}\ntrainer: {epochs: 2}\n", "2:1"),
        ("input_features: [\n", ""),
        ("- just\n- a list\n", "1:1"),
        ("", ""),
    ],
    ids=["tab", "duplicate key", "unclosed", "list", "empty"],
)
def test_broken_yaml_is_a_config_error_with_its_place(shop, tmp_path, text, place):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    code, _, error = shop.run("validate", path)
    assert code == 2
    assert f"broken.yaml:{place}" in error if place else "broken.yaml" in error


def test_anchors_and_merge_keys_work(shop, tmp_path):
    path = tmp_path / "anchors.yaml"
    path.write_text(
        "input_features:\n"
        "  - &number {name: x, type: number, preprocessing: &pre {normalization: minmax}}\n"
        "  - {<<: *number, name: z}\n"
        "output_features: [{name: y, type: binary}]\n"
    )
    code, _, error = shop.run("validate", path)
    assert code == 0, error


def test_an_output_folder_that_may_not_be_written_is_a_clear_error(shop, data, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code, _, error = shop.run("train", "-c", shop.config(), "--dataset", data, "-od", blocked / "below")
    assert code in {1, 2}
    assert "file" in error


def test_a_full_disk_leaves_no_half_model(shop, data, tmp_path):
    """A file system of 64 KiB stands in for a full disk, through a limit on the size of files."""
    import resource

    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "from ostinato_pipelines.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    out = tmp_path / "results"
    process = subprocess.run(
        [sys.executable, "-c", code, "train", "-c", shop.config(), "--dataset", str(data), "-od", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode not in {0, -signal.SIGXFSZ}
    assert NO_TRACE not in process.stderr
    assert "File too large" in process.stderr
    assert not list(out.glob("*/model/model_weights.safetensors"))


def test_ctrl_c_leaves_a_whole_model_or_none(shop, tmp_path):
    path = write_csv(tmp_path / "data.csv", rows(count=2000))
    config = shop.config(trainer={"epochs": 100000, "early_stop": -1, "batch_size": 32})
    out = tmp_path / "results"
    process = subprocess.Popen(
        [sys.executable, "-m", "ostinato_pipelines.cli", "train", "-c", config, "--dataset", path, "-od", out],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(out.glob("*/model/model_weights.safetensors")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 4
    assert NO_TRACE not in error
    new = write_csv(tmp_path / "new.csv", rows(3))
    assert shop.run("predict", "-m", shop.model(), "--dataset", new, "-od", tmp_path / "predicted")[0] == 0


def test_nothing_is_written_beside_the_users_data(shop, tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    path = write_csv(folder / "data.csv", rows())
    assert shop.train(path)[0] == 0
    assert [file.name for file in folder.iterdir()] == ["data.csv"]
    assert pyarrow.csv.read_csv(path).num_rows == 120
