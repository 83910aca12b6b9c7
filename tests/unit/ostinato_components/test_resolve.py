"""The step `resolve`: what the cache keys of the later steps are made of."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

import ostinato_components.resolve.step as step
from ostinato.errors import ConfigError, DataError
from ostinato.load import from_json
from ostinato.packing import MOST_BYTES, packed
from ostinato_components.resolve import Resolved, run

CONFIG = """
input_features:
  - {name: width, type: number}
  - {name: colour, type: category}
output_features:
  - {name: price, type: number}
"""
ROWS = "width,colour,price\n1,red,10\n2,blue,20\n3,red,30\n"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(ROWS)
    return path


def resolve(data, config=CONFIG, overrides="{}", seed=42) -> Resolved:
    return run(config, overrides, str(data), seed)


def differing(one: Resolved, other: Resolved) -> set[str]:
    return {name for name in vars(one) if getattr(one, name) != getattr(other, name)}


def test_the_same_gives_the_same(data):
    assert resolve(data) == resolve(data)


def test_the_order_of_keys_and_the_notation_change_nothing(data):
    document = yaml.safe_load(CONFIG)
    as_json = json.dumps(dict(reversed(document.items())))
    assert resolve(data, as_json) == resolve(data)


def test_a_learning_rate_changes_nothing_that_preprocessing_reads(data):
    changed = resolve(data, CONFIG + "trainer: {learning_rate: 0.5}\n")
    assert differing(resolve(data), changed) == {"config", "fingerprint"}


def test_a_field_of_preprocessing_changes_what_preprocessing_reads(data):
    changed = resolve(data, overrides='{"preprocessing.split.probabilities": [0.6, 0.2, 0.2]}')
    assert differing(resolve(data), changed) == {"config", "data_config", "fingerprint"}


def test_a_storage_is_told_and_changes_nothing_that_preprocessing_reads_of_the_config(data):
    changed = resolve(data, overrides='{"backend.storage": "s3://bucket/ostinato"}')
    assert differing(resolve(data), changed) == {"config", "fingerprint", "storage"}
    assert changed.storage == "s3://bucket/ostinato"


def test_changed_bytes_under_the_same_path_change_the_digest(data):
    before = resolve(data)
    data.write_text(ROWS.replace("30", "31"))
    assert differing(before, resolve(data)) == {"digest", "fingerprint"}


def test_another_version_of_the_library_changes_the_digest(data, monkeypatch):
    before = resolve(data)
    monkeypatch.setattr(step, "__version__", "9.9.9")
    assert differing(before, resolve(data)) == {"digest", "fingerprint"}


def test_a_seed_changes_the_fingerprint(data):
    assert differing(resolve(data), resolve(data, seed=1)) == {"fingerprint"}


def test_an_override_is_in_the_config(data):
    resolved = resolve(data, overrides='{"trainer.epochs": 7}')
    assert from_json(resolved.config).trainer.epochs == 7


def test_both_configs_can_be_read_again(data):
    resolved = resolve(data, CONFIG + "trainer: {learning_rate: 1e-3}\n")
    assert from_json(resolved.config).trainer.learning_rate == 0.001
    assert from_json(resolved.data_config).input_features[0].name == "width"


def test_everything_that_is_wrong_is_said_at_once():
    config = CONFIG.replace("price, type: number", "price, type: nmber") + "trainer: {epochs: 0}\n"
    with pytest.raises(ConfigError) as raised:
        run(config, "[1]", "")
    text = str(raised.value)
    assert "dataset: is empty" in text
    assert "overrides: is a list" in text
    assert "nmber" in text
    assert "epochs" in text


@pytest.mark.parametrize("config", ["", "  \n"])
def test_an_empty_config_is_an_error_that_says_what_to_do(data, config):
    with pytest.raises(ConfigError, match="config: is empty"):
        resolve(data, config)


def test_overrides_that_are_no_json_are_an_error(data):
    with pytest.raises(ConfigError, match="overrides: is no JSON"):
        resolve(data, overrides="trainer.epochs=5")


def test_data_that_are_not_there_are_an_error_of_the_data(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv"):
        resolve(tmp_path / "nothing.csv")


def test_a_config_too_large_for_an_argument_is_an_error(data):
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2500)]
    features = [{"name": name, "type": "number"} for name in names]
    config = json.dumps({"input_features": features, "output_features": [{"name": "price", "type": "number"}]})
    with pytest.raises(ConfigError, match="compressed, and a pipeline can carry 60,000"):
        resolve(data, config)


def test_a_large_config_travels_compressed_and_a_small_one_as_it_is(data):
    features = [{"name": f"column_{number:05}", "type": "number"} for number in range(1000)]
    config = json.dumps({"input_features": features, "output_features": [{"name": "price", "type": "number"}]})
    resolved = resolve(data, config)
    assert len(resolved.config) < len(config) / 3
    assert [feature.name for feature in from_json(resolved.data_config).input_features] == [f["name"] for f in features]
    # What a pipeline was compiled with may be compressed too.
    assert resolve(data, resolved.config) == resolved
    assert resolve(data).config.startswith("{")


def test_a_compressed_config_that_was_cut_is_an_error(data):
    features = [{"name": f"column_{number:05}", "type": "number"} for number in range(1000)]
    config = json.dumps({"input_features": features, "output_features": [{"name": "price", "type": "number"}]})
    for broken in (packed(config)[:-40], packed(config)[:200] + "?", "zlib:", "zlib:AAAA"):
        with pytest.raises(ConfigError, match="no whole compressed text"):
            resolve(data, broken)


def test_the_storage_of_the_run_form_replaces_that_of_the_config(data):
    config = f"{CONFIG}\nbackend: {{storage: s3://bucket/a}}"
    assert resolve(data, config).storage == "s3://bucket/a"
    resolved = run(config, "{}", str(data), storage=" s3://bucket/b ")
    assert resolved.storage == "s3://bucket/b"
    assert from_json(resolved.config).backend.storage == "s3://bucket/b"


def test_what_is_applied_when_a_pipeline_is_compiled_comes_too_late_in_a_run(data):
    with pytest.raises(ConfigError, match=r"backend.kubernetes: is applied when a pipeline is compiled"):
        resolve(data, f"{CONFIG}\nbackend: {{kubernetes: {{shm_size: 2Gi}}}}")


def test_two_thousand_features_are_not_too_many(data):
    features = [{"name": f"c{number:04}", "type": "number"} for number in range(2000)]
    config = json.dumps({"input_features": features, "output_features": [{"name": "price", "type": "number"}]})
    assert len(resolve(data, config).config) < MOST_BYTES / 2


def test_nothing_is_written_beside_the_data(data):
    resolve(data)
    assert [path.name for path in Path(data).parent.iterdir()] == ["data.csv"]
