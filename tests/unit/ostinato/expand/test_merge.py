"""Defaults of a type, presets and tied features are written out at each feature."""

import json
from pathlib import Path

import pytest

from ostinato.config import Config
from ostinato.load import load_config, render

NUMBERS = [{"name": name, "type": "number"} for name in "abc"]
TARGET = [{"name": "y", "type": "number"}]


def config(inputs: list[dict], outputs: list[dict] | None = None, **sections: object) -> Config:
    return load_config({"input_features": inputs, "output_features": outputs or TARGET, **sections}).config


def test_a_feature_wins_over_the_defaults_of_its_type():
    found = config(
        [NUMBERS[0], {"name": "b", "type": "number", "encoder": {"dropout": 0.1}}],
        defaults={"number": {"encoder": {"type": "dense", "num_layers": 3, "dropout": 0.5}}},
    )
    first, second = (feature.encoder for feature in found.input_features)
    assert (first.type, first.num_layers, first.dropout) == ("dense", 3, 0.5)
    assert (second.type, second.num_layers, second.dropout) == ("dense", 3, 0.1)


def test_defaults_say_nothing_where_a_feature_chooses_another_type():
    found = config(
        [{"name": "b", "type": "number", "encoder": "ple"}],
        defaults={"number": {"encoder": {"type": "dense", "num_layers": 3}}},
    )
    assert found.input_features[0].encoder.type == "ple"


def test_defaults_without_a_type_mean_the_usual_one():
    defaults = {"category": {"encoder": {"embedding_size": 7}}}
    named = {"name": "a", "type": "category", "encoder": "dense"}
    other = {"name": "b", "type": "category", "encoder": "onehot"}
    first, second = config([named, other], defaults=defaults).input_features
    assert first.encoder.embedding_size == 7
    assert second.encoder.type == "onehot"


def test_defaults_of_preprocessing_are_for_inputs_only():
    found = config(NUMBERS[:1], defaults={"number": {"preprocessing": {"missing_value_strategy": "fill_with_mode"}}})
    assert found.input_features[0].preprocessing.missing_value_strategy == "fill_with_mode"
    assert found.output_features[0].preprocessing.missing_value_strategy == "drop_row"


def test_defaults_of_losses_and_decoders_are_for_outputs():
    defaults = {"number": {"loss": "huber", "decoder": {"num_fc_layers": 2}}}
    output = config(NUMBERS[:1], defaults=defaults).output_features[0]
    assert (output.loss.type, output.decoder.num_fc_layers) == ("huber", 2)


def test_the_column_is_the_name_where_none_is_given():
    first, second = config([NUMBERS[0], {"name": "b", "type": "number", "column": "a"}]).input_features
    assert (first.column, second.column) == ("a", "a")


def test_a_tied_feature_takes_the_encoder_and_preprocessing_of_the_other():
    inputs = [
        {"name": "a", "type": "category", "encoder": {"embedding_size": 3}, "preprocessing": {"lowercase": True}},
        {"name": "b", "type": "category", "tied": "a"},
    ]
    first, second = config(inputs, defaults={"category": {"encoder": {"dropout": 0.3}}}).input_features
    assert first.encoder == second.encoder
    assert second.preprocessing.lowercase
    assert second.encoder.dropout == 0.3


def test_a_metric_finds_the_one_output_that_has_it():
    outputs = [{"name": "y", "type": "number"}, {"name": "z", "type": "binary"}]
    trainer = {"validation_metric": "roc_auc"}
    assert config(NUMBERS[:1], outputs, trainer=trainer).trainer.validation_field == "z"


def test_the_preset_ludwig_gives_the_defaults_of_ludwig():
    found = config(NUMBERS, preset="ludwig")
    assert found.combiner.type == "ft_transformer"
    assert config(NUMBERS[:2], preset="ludwig").combiner.type == "concat"
    assert found.trainer.early_stop == 5
    assert found.input_features[0].preprocessing.fill_value == 0.0
    assert found.output_features[0].preprocessing.normalization is None
    assert found.output_features[0].preprocessing.missing_value_strategy == "drop_row"


def test_the_config_and_defaults_win_over_a_preset():
    found = config(
        NUMBERS,
        preset="ludwig",
        trainer={"early_stop": 9},
        combiner={"type": "concat", "dropout": 0.2},
        defaults={"number": {"preprocessing": {"fill_value": 3.0}, "encoder": "ple"}},
    )
    assert (found.trainer.early_stop, found.trainer.learning_rate) == (9, 0.001)
    assert (found.combiner.type, found.combiner.dropout) == ("concat", 0.2)
    assert found.input_features[0].preprocessing.fill_value == 3.0
    assert found.input_features[0].encoder.type == "ple"


LUDWIG = json.loads((Path(__file__).parent / "ludwig_defaults.json").read_text(encoding="utf-8"))
"""Ludwig 0.17's defaults of what this version has: its schema, read by a program."""


def differences(ludwig: dict, ours: dict) -> dict:
    pairs = {key: (value, ours.get(key, value)) for key, value in ludwig.items()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize(
    ("part", "kind", "name"),
    [
        (part, kind, name)
        for part in ("encoder", "decoder", "loss")
        for kind, names in LUDWIG[part].items()
        for name in names
    ],
)
def test_the_preset_gives_each_part_of_a_feature_as_ludwig_has_it(part, kind, name):
    feature = {"name": "f", "type": kind, part: name}
    found = config([feature], preset="ludwig") if part == "encoder" else config(NUMBERS, [feature], preset="ludwig")
    rendered = render(found)
    side = "input_features" if part == "encoder" else "output_features"
    assert differences(LUDWIG[part][kind][name], rendered[side][0][part]) == {}
    output = kind if part == "encoder" else f"{kind}_output"
    assert differences(LUDWIG["preprocessing"][output], rendered[side][0]["preprocessing"]) == {}


def test_the_preset_gives_the_other_sections_as_ludwig_has_them():
    for name, defaults in LUDWIG["combiner"].items():
        assert differences(defaults, render(config(NUMBERS, preset="ludwig", combiner=name))["combiner"]) == {}
    for name, defaults in LUDWIG["optimizer"].items():
        found = render(config(NUMBERS, preset="ludwig", trainer={"optimizer": name}))["trainer"]["optimizer"]
        assert differences(defaults, found) == {}
    trainer = render(config(NUMBERS, preset="ludwig"))["trainer"]
    for key in ("learning_rate_scheduler", "gradient_clipping"):
        assert differences(LUDWIG["trainer"][key], trainer.pop(key)) == {}
    assert differences(LUDWIG["trainer"], trainer) == {}
    assert trainer["optimizer"]["type"] == "adam"
