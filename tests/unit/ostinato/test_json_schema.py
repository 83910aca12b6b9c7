"""The JSON schema accepts what loads, refuses what does not, and explains each field."""

import json

import pytest
from jsonschema import Draft202012Validator

from ostinato.config import Config
from ostinato.errors import ConfigError
from ostinato.json_schema import export_schema
from ostinato.load import load_config, render

SCHEMA = export_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
BASE = {
    "input_features": [
        {"name": "a", "type": "number"},
        {"name": "b", "type": "category", "encoder": "onehot"},
        {"name": "c", "type": "text", "encoder": {"type": "embed"}},
    ],
    "output_features": [
        {"name": "y", "type": "binary", "loss": "focal"},
        {"name": "z", "type": "number", "clip": [0, 1]},
        {"name": "k", "type": "category", "loss": {"class_weights": {"x": 1.5}}},
    ],
}
GOOD = [
    {},
    {"combiner": "ft_transformer", "backend": "local", "preset": "ludwig"},
    {"trainer": {"optimizer": "sgd", "gradient_clipping": None, "learning_rate_scheduler": None, "epochs": 3}},
    {"trainer": {"early_stop": "auto", "batch_size": 64, "optimizer": {"type": "adam", "betas": [0.9, 0.99]}}},
    {"preprocessing": {"split": "random"}},
    {"preprocessing": {"split": {"type": "hash", "column": "a", "probabilities": [0.5, 0.25, 0.25]}}},
    {"defaults": {"number": {"encoder": "ple", "loss": "huber"}, "text": {"preprocessing": {"lowercase": True}}}},
    {"combiner": {"fc_layers": [{"output_size": 3, "weights_initializer": {"type": "normal", "std": 0.1}}]}},
]
BAD = [
    {"foo": 1},
    {"combiner": "concatt"},
    {"combiner": {"type": "concat", "num_heads": 2}},
    {"combiner": {"num_heads": 2}},
    {"trainer": {"epochs": 0}},
    {"trainer": {"epochs": "3"}},
    {"trainer": {"learning_rate": 0}},
    {"trainer": {"optimizer": {"type": "sgd", "betas": [0.9, 0.99]}}},
    {"trainer": {"optimizer": {"type": "adam", "betas": [0.9]}}},
    {"trainer": {"model_soup": "greedy"}},
    {"preprocessing": {"split": {"type": "hash"}}},
    {"defaults": {"numbr": {}}},
    {"defaults": {"number": {"encoder": {"num_layrs": 2}}}},
    {"hyperopt": {}} | {"hyperopt": {"goal": "minimize"}},
    {"input_features": []},
    {"input_features": [{"name": "a"}]},
    {"input_features": [{"name": "", "type": "number"}]},
    {"input_features": [{"name": "a", "type": "image"}]},
]


def test_the_schema_is_one_and_json():
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("sections", GOOD)
def test_what_loads_is_accepted_short_and_rendered(sections):
    config = load_config(BASE | sections).config
    assert [error.message for error in VALIDATOR.iter_errors(BASE | sections)] == []
    assert [error.message for error in VALIDATOR.iter_errors(render(config))] == []


@pytest.mark.parametrize("sections", BAD)
def test_what_does_not_load_is_refused(sections):
    with pytest.raises(ConfigError):
        load_config(BASE | sections)
    assert not VALIDATOR.is_valid(BASE | sections)


def test_fields_carry_their_help_default_and_bounds():
    epochs = SCHEMA["$defs"]["TrainerSpec"]["properties"]["epochs"]
    text = "Most passes over the training rows."
    assert epochs["description"] == text
    assert (epochs["type"], epochs["minimum"]) == ("integer", 1)
    assert epochs["default"] == Config.model_fields["trainer"].get_default(call_default_factory=True).epochs
