"""From a file, a text or a mapping to a config, and back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.errors import ConfigError, DataError
from ostinato.load import canonical_json, check_columns, data_slice, from_json, load_config, render

BASE = {
    "input_features": [{"name": "a", "type": "number"}, {"name": "b.c", "type": "category"}],
    "output_features": [{"name": "y", "type": "binary"}, {"name": "z", "type": "number"}],
}
YAML = """
input_features:
  - {name: a, type: number}
  - {name: b.c, type: category}
output_features:
  - {name: y, type: binary}
  - {name: z, type: number}
"""


def document(**sections: object) -> dict:
    return {**BASE, **sections}


def test_a_file_a_text_and_a_mapping_say_the_same(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(YAML, encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps(BASE), encoding="utf-8")
    sources = [path, str(path), tmp_path / "config.json", YAML, json.dumps(BASE), BASE]
    assert len({canonical_json(load_config(source).document) for source in sources}) == 1
    assert load_config("anything", text=YAML).config == load_config(BASE).config


def test_the_document_is_what_the_user_said_in_the_form_of_today():
    loaded = load_config(document(training={"epochs": 3}, combiner="concat"))
    assert loaded.document == document(trainer={"epochs": 3}, combiner={"type": "concat"})
    assert loaded.warnings == ("'training' is now called 'trainer'",)


def test_what_the_user_gives_is_not_changed():
    given_document = document(training={"epochs": 3}, combiner="concat")
    before = json.dumps(given_document)
    load_config(given_document, overrides={"training.epochs": 4, "trainer.epochs": 4})
    assert json.dumps(given_document) == before


PARTS = st.fixed_dictionaries(
    {},
    optional={
        "combiner": st.sampled_from(["concat", "ft_transformer", {"type": "concat", "num_fc_layers": 2}]),
        "preset": st.sampled_from(["ludwig", None]),
        "trainer": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 9),
                "early_stop": st.sampled_from(["auto", -1, 3]),
                "optimizer": st.sampled_from(["sgd", "adamw", {"type": "adam", "betas": [0.8, 0.9]}]),
                "gradient_clipping": st.none(),
                "validation_metric": st.sampled_from(["roc_auc", "r2", "loss"]),
                "compile": st.sampled_from(["yes", "off", True]),
            },
        ),
        "preprocessing": st.fixed_dictionaries(
            {},
            optional={
                "split": st.sampled_from(["random", {"type": "stratify", "column": "y"}, {"type": "fixed"}]),
                "sample_ratio": st.floats(0, 1),
            },
        ),
        "defaults": st.fixed_dictionaries(
            {}, optional={"number": st.sampled_from([{"encoder": "ple"}, {"loss": "huber"}])}
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_a_rendered_config_loads_as_the_same_config(parts):
    loaded = load_config(document(**parts))
    rendered = render(loaded.config)
    assert load_config(rendered).config == loaded.config
    assert render(load_config(rendered).config) == rendered
    assert from_json(canonical_json(loaded.document)) == loaded.config


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_the_data_slice_is_a_config_with_the_same_preprocessing(parts):
    loaded = load_config(document(**parts))
    sliced = data_slice(loaded.document)
    config = load_config(sliced).config
    assert config.preprocessing == loaded.config.preprocessing
    for mine, theirs in zip(
        (*config.input_features, *config.output_features),
        (*loaded.config.input_features, *loaded.config.output_features),
        strict=True,
    ):
        assert (mine.name, mine.type, mine.column, mine.preprocessing) == (
            theirs.name,
            theirs.type,
            theirs.column,
            theirs.preprocessing,
        )
    assert data_slice(sliced) == sliced


def test_the_data_slice_knows_nothing_of_training():
    plain, other = load_config(BASE), load_config(document(trainer={"epochs": 1}, combiner="ft_transformer"))
    assert data_slice(plain.document) == data_slice(other.document)
    changed = load_config(BASE, overrides={"a.preprocessing.normalization": "minmax"})
    assert data_slice(changed.document) != data_slice(plain.document)


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": {"d": 2, "c": "ä"}}) == '{"a":{"c":"ä","d":2},"b":1}'


@pytest.mark.parametrize(
    ("path", "value", "get"),
    [
        ("trainer.learning_rate", 0.5, lambda c: c.trainer.learning_rate),
        ("trainer.learning_rate", "5e-1", lambda c: c.trainer.learning_rate),
        ("output_features.y.threshold", 0.5, lambda c: c.output_features[0].threshold),
        ("output_features.0.threshold", "0.5", lambda c: c.output_features[0].threshold),
        ("y.threshold", 0.5, lambda c: c.output_features[0].threshold),
        ("trainer", {"regularization_lambda": 0.5}, lambda c: c.trainer.regularization_lambda),
        ("trainer.optimizer.weight_decay", "0.5", lambda c: c.trainer.optimizer.weight_decay),
        ("b.c.encoder.dropout", 0.5, lambda c: c.input_features[1].encoder.dropout),
        ("input_features.b.c.encoder.dropout", 0.5, lambda c: c.input_features[1].encoder.dropout),
        ("defaults.category.encoder.dropout", 0.5, lambda c: c.input_features[1].encoder.dropout),
        ("combiner", "{type: concat, dropout: 0.5}", lambda c: c.combiner.dropout),
    ],
)
def test_an_override_reaches_its_place(path, value, get):
    assert get(load_config(BASE, overrides={path: value}).config) == 0.5


def test_an_override_may_choose_another_type():
    base = document(trainer={"optimizer": {"type": "adam", "amsgrad": True}})
    found = load_config(base, overrides={"trainer.optimizer": "sgd", "a.encoder": "ple", "a.encoder.num_bins": 4})
    assert found.config.trainer.optimizer.type == "sgd"
    assert found.config.input_features[0].encoder.num_bins == 4


def test_an_override_that_is_no_yaml_is_text():
    found = load_config(BASE, overrides={"y.preprocessing.fallback_true_label": " >50K"})
    assert found.config.output_features[0].preprocessing.fallback_true_label == " >50K"


def test_overrides_that_lead_nowhere_are_errors():
    with pytest.raises(ConfigError) as caught:
        load_config(BASE, overrides={"trainr.epochs": 1, "input_features.q.type": 1, "input_features.7": 1})
    assert [problem.where for problem in caught.value.problems] == [
        "override 'trainr.epochs'",
        "override 'input_features.q.type'",
        "override 'input_features.7'",
    ]
    assert "did you mean 'trainer'?" in str(caught.value)
    with pytest.raises(ConfigError, match=r"override 'trainer.epoch': trainer.epoch: unknown key\n.*'epochs'"):
        load_config(BASE, overrides={"trainer.epoch": 1})
    with pytest.raises(ConfigError, match="'epochs' is the whole number 3"):
        load_config(document(trainer={"epochs": 3}), overrides={"trainer.epochs.deep": 1})


@pytest.mark.parametrize("name", ["a b", "a.b", "ä'\"", "[x]{y}(z):", "名前", "type", "self", "0", "forward"])
def test_odd_names_are_kept(name):
    base = {"input_features": [{"name": name, "type": "number"}], "output_features": [{"name": "y", "type": "binary"}]}
    config = load_config(base, overrides={f"{name}.encoder": "ple"}).config
    assert (config.input_features[0].name, config.input_features[0].encoder.type) == (name, "ple")


def test_yes_and_no_are_booleans_where_a_boolean_is_asked_for():
    text = YAML + "trainer: {compile: yes, should_shuffle: Off}\ndefaults: {category: {preprocessing: {lowercase: on}}}"
    config = load_config("c", text=text).config
    assert (config.trainer.compile, config.trainer.should_shuffle) == (True, False)
    assert config.input_features[1].preprocessing.lowercase
    label = load_config(BASE, overrides={"y.preprocessing.fallback_true_label": "yes"}).config
    assert label.output_features[0].preprocessing.fallback_true_label == "yes"


def test_defaults_that_no_feature_takes_are_said():
    loaded = load_config("c.yaml", text=YAML + "defaults:\n  text: {encoder: embed}\n  category: {loss: focal}\n")
    assert loaded.warnings == (
        "c.yaml:9:10: 'defaults.text.encoder' has no effect: there is no input feature of that type",
        "c.yaml:10:14: 'defaults.category.loss' has no effect: there is no output feature of that type",
    )


def test_every_missing_column_is_named():
    config = load_config(document(preprocessing={"split": {"type": "hash", "column": "key"}})).config
    check_columns(config, ["a", "b.c", "y", "z", "key"], {})
    with pytest.raises(DataError) as caught:
        check_columns(config, ["a", "bc", "y"], {})
    assert [problem.where for problem in caught.value.problems] == [
        "input feature 'b.c'",
        "output feature 'z'",
        "preprocessing.split",
    ]
    assert "did you mean 'bc'?" in str(caught.value)
    assert "the data has a, bc, y" in str(caught.value)


def test_two_thousand_features_load_and_two_thousand_errors_are_told():
    features = [{"name": f"c{number}", "type": "number"} for number in range(2000)]
    many = {"input_features": features, "output_features": [{"name": "y", "type": "binary"}]}
    assert len(load_config(many).config.input_features) == 2000
    for feature in features:
        feature["encodr"] = "ple"
    with pytest.raises(ConfigError) as caught:
        load_config(many)
    assert len(caught.value.problems) == 2000
