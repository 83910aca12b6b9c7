"""What is wrong with a config is said all at once, each with its place, what was found and what is allowed."""

import pytest

from ostinato.errors import ConfigError
from ostinato.load import load_config

INPUTS = "input_features:\n  - {name: a, type: number}\n  - {name: b, type: category}\n"
OUTPUTS = "output_features:\n  - {name: y, type: binary}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config("c.yaml", text=text)
    return [str(problem) for problem in caught.value.problems]


def only(text: str) -> str:
    (problem,) = problems(text)
    return problem


def trainer(keys: str) -> str:
    return only(f"{INPUTS}{OUTPUTS}trainer: {{{keys}}}")


def inputs(*features: str) -> str:
    return only("input_features:\n" + "".join(f"  - {feature}\n" for feature in features) + OUTPUTS)


def outputs(*features: str) -> str:
    return only(INPUTS + "output_features:\n" + "".join(f"  - {feature}\n" for feature in features))


def test_all_problems_are_told_in_the_order_of_the_lines():
    text = """
input_features:
  - {name: a, type: numbr}
  - name: b
    type: category
    encoder: {type: dense, embeding_size: 3, dropout: 1.5}
output_features:
  - {name: y, type: binary, loss: foca}
combiner: ft_transfomer
trainer: {epochs: 0}
foo: 1
"""
    assert [problem.partition(": ")[0] for problem in problems(text)] == [
        "c.yaml:3:21", "c.yaml:6:28", "c.yaml:6:55", "c.yaml:8:35", "c.yaml:9:11", "c.yaml:10:19", "c.yaml:11:1",
    ]  # fmt: skip


def test_a_feature_is_called_by_its_name():
    said = inputs("{name: age, type: number, encoder: {type: dense, num_layers: three}}")
    assert said == (
        "c.yaml:2:66: input feature 'age', encoder.num_layers: found the text 'three'\n"
        "    allowed: a whole number of at least 1"
    )


def test_an_unknown_key_suggests_a_known_one():
    assert inputs("{name: a, type: number, encodr: dense}").endswith("unknown key\n    did you mean 'encoder'?")
    assert inputs("{name: a, type: number, normalizaton: zscore}").endswith("'preprocessing.normalization'?")
    assert "allowed: type, weight_decay, betas, eps, amsgrad" in trainer("optimizer: {type: adam, zzz: 1}")
    assert trainer("optimizer: {type: adam, lr: 0.1}").endswith("say it as trainer.learning_rate")


@pytest.mark.parametrize(
    ("keys", "found", "allowed"),
    [
        ("epochs: '5'", "the text '5'", "a whole number of at least 1\n    '5' is a text here: leave out the quotes"),
        ("epochs: 1.5", "1.5", "a whole number of at least 1"),
        ("epochs: true", "true", "a whole number of at least 1"),
        ("epochs: null", "null", "a whole number of at least 1"),
        ("early_stop: never", "the text 'never'", "a whole number of at least -1 or auto"),
        ("batch_size: 0", "0", "a whole number of at least 1 or auto"),
        ("eval_batch_size: -1", "-1", "a whole number of at least 1, auto, or null"),
        ("learning_rate: -1", "-1", "a number above 0"),
        ("regularization_lambda: 2", "2", "a number from 0 to 1"),
        ("compile: maybe", "the text 'maybe'", "true or false"),
        ("regularization_type: l3", "the text 'l3'", "l1, l2, l1_l2 or null"),
        ("optimizer: {type: adam, betas: [0.9]}", "the list [0.9]", "a list of 2, each item a number from 0 to 1"),
        ("optimizer: {type: adam, betas: [0.9, 2]}", "2", "a number from 0 to 1"),
        ("gradient_clipping: 5", "5", "a mapping with keys among clipglobalnorm, clipnorm, clipvalue"),
    ],
)
def test_a_wrong_value_says_what_is_allowed_in_plain_words(keys, found, allowed):
    said = trainer(keys)
    assert f"found {found}\n    allowed: {allowed}" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{INPUTS}{OUTPUTS}hyperopt: {{goal: minimize}}", 'hyperopt: {"goal"'),
        (f"{INPUTS}{OUTPUTS}base_model: x", "base_model: is part"),
        (f"{INPUTS}{OUTPUTS}model_type: llm", "model_type: 'llm'"),
        (f"{INPUTS}{OUTPUTS}preset: best_quality", "preset: 'best_quality'"),
        (f"{INPUTS}{OUTPUTS}backend: dask", "backend.type: 'dask'"),
        (f"{INPUTS}{OUTPUTS}backend: {{cache_dir: x}}", "backend.cache_dir: is part"),
        (f"{INPUTS}{OUTPUTS}combiner: tabpfn_v2", "the combiner 'tabpfn_v2'"),
        (f"{INPUTS}{OUTPUTS}defaults: {{image: {{}}}}", "the feature type 'image'"),
        (f"{INPUTS}{OUTPUTS}trainer: {{optimizer: soap}}", "the optimizer 'soap'"),
        (f"{INPUTS}{OUTPUTS}trainer: {{model_soup: greedy}}", "trainer.model_soup: 'greedy'"),
        (f"input_features:\n - {{name: a, type: image}}\n{OUTPUTS}", "the input feature type 'image'"),
        (f"input_features:\n - {{name: a, type: text, encoder: bert}}\n{OUTPUTS}", "the encoder 'bert'"),
        (
            f"input_features:\n - {{name: a, type: text, preprocessing: {{tokenizer: hf_tokenizer}}}}\n{OUTPUTS}",
            "preprocessing.tokenizer: 'hf_tokenizer'",
        ),
    ],
)
def test_what_is_not_implemented_yet_says_so(text, words):
    said = only(text)
    assert words in said
    assert "part of the language but not implemented yet" in said


def test_a_mistake_in_defaults_is_told_once_and_where_it_was_made():
    text = f"{INPUTS}{OUTPUTS}defaults:\n  number:\n    encoder: {{type: dense, num_layrs: 2}}\n"
    assert only(text) == ("c.yaml:8:28: defaults.number.encoder.num_layrs: unknown key\n    did you mean 'num_layers'?")
    unused = only(f"{INPUTS}{OUTPUTS}defaults: {{text: {{encoder: {{type: embed, dropout: 2}}}}}}")
    assert "defaults.text.encoder.dropout: found 2" in unused
    assert "unknown feature type 'numbr'" in only(f"{INPUTS}{OUTPUTS}defaults: {{numbr: {{}}}}")
    assert "defaults.number.encodr: unknown key" in only(f"{INPUTS}{OUTPUTS}defaults: {{number: {{encodr: ple}}}}")


def test_a_mapping_in_python_has_no_lines_but_paths():
    with pytest.raises(ConfigError) as caught:
        load_config({"input_features": [{"name": "a", "type": "number"}], "output_features": []})
    assert str(caught.value).startswith("output_features: is empty\n    allowed: a list")


def test_missing_parts_are_named():
    assert [line.partition("\n")[0] for line in problems("trainer: {epochs: 1}")] == [
        "input_features: is missing",
        "output_features: is missing",
    ]
    assert "input feature 'a': has no type" in inputs("{name: a}")
    assert "input feature number 1, name: is missing" in inputs("{type: number}")
    assert "input feature number 1: found the text 'age'" in inputs("age")
    assert "input_features: found the mapping" in only(f"input_features: {{a: number}}\n{OUTPUTS}")
    assert 'write "2020" with quotes' in inputs("{name: 2020, type: number}")


def test_names_are_there_once():
    twice = inputs("{name: a, type: number}", "{name: a, type: category}")
    assert twice.startswith("c.yaml:3:12: input feature 'a', name: there are two features of the name 'a'")
    assert "'b': reads the column 'b'" not in twice
    other = outputs("{name: y, type: binary}", "{name: a, type: number, column: c}")
    assert "there are two features of the name 'a'" in other


def test_a_target_among_the_inputs_is_an_error():
    said = inputs("{name: a, type: number}", "{name: again, column: y, type: category}")
    assert "input feature 'again', name: reads the column 'y', which output feature 'y' predicts" in said


def test_dependencies_exist_and_form_no_ring():
    assert "there is no output feature 'zz'" in outputs("{name: y, type: binary, dependencies: [zz]}")
    assert "depends on itself" in outputs("{name: y, type: binary, dependencies: [y]}")
    ring = outputs("{name: y, type: binary, dependencies: [z]}", "{name: z, type: number, dependencies: [y]}")
    assert "outputs depend on each other: y -> z -> y" in ring
    fine = "output_features: [{name: y, type: binary}, {name: z, type: number, dependencies: [y]}]"
    assert load_config("c", text=INPUTS + fine).config.output_features[1].dependencies == ("y",)


def test_tied_features_exist_have_one_type_and_form_no_ring():
    assert "there is no input feature 'q'" in inputs("{name: a, type: number, tied: q}")
    assert "is tied to itself" in inputs("{name: a, type: number, tied: a}")
    different = inputs("{name: a, type: number, tied: b}", "{name: b, type: category}")
    assert "'b' has the type category, this one the type number" in different
    assert "tied in a ring: a -> b -> a" in inputs(
        "{name: a, type: number, tied: b}", "{name: b, type: number, tied: a}"
    )
    own = inputs("{name: a, type: number, encoder: ple}", "{name: b, type: number, tied: a, encoder: dense}")
    assert "input feature 'b', encoder: differs from that of 'a'" in own


def test_what_decides_on_the_best_model_exists():
    assert "did you mean 'roc_auc'?" in trainer("validation_metric: roc_auk")
    assert "there is no output feature 'x'" in trainer("validation_field: x")
    assert "'r2' is no metric of output 'y'" in trainer("validation_field: y, validation_metric: r2")
    assert "is no metric of output 'combined'" in trainer("validation_field: combined, validation_metric: r2")
    two = "output_features: [{name: y, type: binary}, {name: z, type: binary}]\ntrainer: {validation_metric: roc_auc}"
    assert "several outputs have the metric 'roc_auc'" in only(f"{INPUTS}{two}")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("steps_per_checkpoint: 5, checkpoints_per_epoch: 2", "both say when to evaluate"),
        ("effective_batch_size: 100, batch_size: 32", "100 is no multiple of batch_size, which is 32"),
        ("effective_batch_size: 64, batch_size: 32, gradient_accumulation_steps: 4", "is 128"),
        ("optimizer: {type: sgd, nesterov: true}", "needs a momentum above 0"),
        ("learning_rate_scheduler: {decay: wsd, wsd_stable_fraction: 0.9}", "sum to 1.1"),
        ("learning_rate_scheduler: {warmup_fraction: 0.1, warmup_evaluations: 2}", "both say how long"),
        ("layers_to_freeze_regex: '('", "is no regular expression"),
    ],
)
def test_options_of_the_trainer_that_clash(keys, words):
    assert words in trainer(keys)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ("preprocessing: {sample_ratio: 0.5, sample_size: 10}", "both say how many rows"),
        ("preprocessing: {oversample_minority: 0.5, undersample_majority: 0.5}", "both balance the classes"),
        ("preprocessing: {split: {probabilities: [0.7, 0.1, 0.1]}}", "sum to 0.9"),
        ("preprocessing: {split: {probabilities: [0, 0.5, 0.5]}}", "the share of training rows is 0"),
        ("preprocessing: {split: {type: stratify}}", "preprocessing.split.column: is missing"),
        ("preprocessing: {split: {type: stratify, column: a}}", "'a' has the type number"),
        ("preprocessing: {split: {type: hash, column: ''}}", "a text that is not empty"),
        ("combiner: {type: ft_transformer, hidden_size: 30}", "combiner.hidden_size: 30 is no multiple of num_heads"),
        ("combiner: {num_fc_layers: 2, kind: concat}", "combiner.kind: unknown key"),
        ("combiner: {type: 3}", "combiner.type: found 3"),
    ],
)
def test_other_options_that_clash(sections, words):
    assert words in only(f"{INPUTS}{OUTPUTS}{sections}")


def test_balancing_needs_one_output_of_classes():
    text = "output_features: [{name: y, type: number}]\npreprocessing: {oversample_minority: 0.5}"
    assert "the output has the type number" in only(INPUTS + text)


def test_numbers_of_outputs_and_encoders_are_in_order():
    assert "clip: 5 is not below 1" in outputs("{name: y, type: number, clip: [5, 1]}")
    assert "edges must ascend" in inputs("{name: a, type: number, encoder: {type: ple, ple_bin_edges: [1, 0]}}")


def test_tasks_that_share_preprocessing_need_a_storage():
    said = only(f"{INPUTS}{OUTPUTS}backend: {{preprocessing: {{shards: 4}}}}")
    assert "the 4 tasks of 'preprocessing.shards' meet there" in said
    assert "s3://bucket/ostinato" in said
    load_config("c.yaml", text=f"{INPUTS}{OUTPUTS}backend: {{storage: /shared, preprocessing: {{shards: 4}}}}")


def gate(keys: str, outputs: str = OUTPUTS) -> str:
    return only(f"{INPUTS}{outputs}gate: {{{keys}}}")


def test_a_condition_of_the_gate_names_a_metric_that_the_output_has():
    said = gate("champion: c, conditions: [{metric: acuracy}]")
    assert "gate.conditions.0.metric" in said
    assert "did you mean 'accuracy'?" in said
    said = gate("champion: c, conditions: [{metric: loss}]")
    assert "that a bundle can be measured by" in said
    assert "log_loss" in said
    assert "there is no output feature 'x'" in gate("champion: c, conditions: [{metric: accuracy, output: x}]")


def test_a_gate_decides_something():
    assert "nothing is decided" in gate("conditions: [{metric: accuracy}]")
    assert "allowed: a list" in gate("champion: c, conditions: []")
    assert "is missing" in gate("champion: c")
    assert "is above the maximum" in gate("conditions: [{metric: accuracy, minimum: 0.9, maximum: 0.1}]")
    load_config("c.yaml", text=f"{INPUTS}{OUTPUTS}gate: {{conditions: [{{metric: accuracy, minimum: 0.9}}]}}")


def test_checks_of_a_contract_have_severities_and_limits():
    checks = "{type: eror, psi: {error: -1}, pssi: 1, rows: error}"
    text = f"{INPUTS}{OUTPUTS}data_contract: {{path: c.yaml, checks: {checks}}}"
    said = "\n".join(problems(text))
    assert "did you mean 'error'?" in said
    assert "did you mean 'psi'?" in said
    assert "a number of at least 0 or null" in said
    assert len(problems(text)) == 4
