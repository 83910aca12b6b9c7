"""Short and older forms mean what they mean in Ludwig."""

import pytest

from ostinato.document import from_mapping, plain
from ostinato.expand.upgrade import upgrade

IN = {"name": "x", "type": "number"}
OUT = {"name": "y", "type": "binary"}


def upgraded(**sections: object) -> tuple[dict, list[str]]:
    document = from_mapping({"input_features": [IN], "output_features": [OUT], **sections})
    warnings = upgrade(document)
    first = plain(document)
    assert upgrade(document) == []
    assert plain(document) == first, "doing it twice changes nothing"
    return first, warnings


def feature(**keys: object) -> tuple[dict, list[str]]:
    document, warnings = upgraded(input_features=[{"name": "x", **keys}])
    return document["input_features"][0], warnings


def output(**keys: object) -> tuple[dict, list[str]]:
    document, warnings = upgraded(output_features=[{"name": "y", **keys}])
    return document["output_features"][0], warnings


def test_names_stand_for_sections():
    document, warnings = upgraded(
        combiner="concat",
        backend="local",
        trainer={"optimizer": "adamw", "learning_rate_scheduler": "cosine"},
        preprocessing={"split": "random"},
        defaults={"category": {"encoder": "onehot"}},
    )
    assert document["combiner"] == {"type": "concat"}
    assert document["backend"] == {"type": "local"}
    assert document["trainer"] == {"optimizer": {"type": "adamw"}, "learning_rate_scheduler": {"decay": "cosine"}}
    assert document["preprocessing"] == {"split": {"type": "random"}}
    assert document["defaults"] == {"category": {"encoder": {"type": "onehot"}}}
    assert warnings == []


def test_rays_backend_is_read_as_local():
    trainer = {"strategy": "fsdp", "num_workers": 4, "use_gpu": True, "resources_per_worker": {"GPU": 1}}
    document, warnings = upgraded(backend={"type": "ray", "processor": {"type": "dask"}, "trainer": trainer})
    assert document["backend"] == {"type": "local", "trainer": {"strategy": "fsdp", "num_workers": 4}}
    assert len(warnings) == 4
    assert all("Ray" in warning or "ray" in warning for warning in warnings)


def test_names_stand_for_parts_of_features():
    assert feature(type="number", encoder="dense")[0]["encoder"] == {"type": "dense"}
    part = output(type="binary", decoder="regressor", loss="focal")[0]
    assert (part["decoder"], part["loss"]) == ({"type": "regressor"}, {"type": "focal"})


def test_training_and_numerical_have_new_names():
    document, warnings = upgraded(training={"epochs": 3}, input_features=[{"name": "x", "type": "numerical"}])
    assert document["trainer"] == {"epochs": 3}
    assert document["input_features"][0]["type"] == "number"
    assert warnings == ["'training' is now called 'trainer'", "the type 'numerical' is now called 'number'"]


def test_parameters_of_the_encoder_beside_the_feature_are_moved_into_it():
    found, warnings = feature(type="text", encoder="parallel_cnn", num_filters=3, preprocessing={"lowercase": True})
    assert found["encoder"] == {"type": "parallel_cnn", "num_filters": 3}
    assert warnings == ["'num_filters' belongs below 'encoder'; it was moved there"]
    assert feature(type="category", embedding_size=3)[0]["encoder"] == {"embedding_size": 3}


def test_what_no_encoder_knows_stays_where_it_is():
    assert "encoder" not in feature(type="number", num_layrs=3)[0]


def test_parameters_of_layers_before_the_decoder_get_their_prefix():
    assert output(type="binary", num_fc_layers=4, output_size=32)[0]["decoder"] == {
        "num_fc_layers": 4,
        "fc_output_size": 32,
    }
    assert output(type="number", decoder={"output_size": 64})[0]["decoder"] == {"fc_output_size": 64}
    own = output(type="category", decoder={"type": "mlp_classifier", "output_size": 64})[0]["decoder"]
    assert own == {"type": "mlp_classifier", "output_size": 64}


def test_old_names_of_biases_fills_and_text_parameters():
    found, _ = feature(type="text", encoder={"type": "parallel_cnn", "bias": False})
    assert found["encoder"] == {"type": "parallel_cnn", "use_bias": False}
    for old, new in (("backfill", "bfill"), ("pad", "ffill")):
        found, _ = feature(type="number", preprocessing={"missing_value_strategy": old})
        assert found["preprocessing"] == {"missing_value_strategy": new}
    found, _ = feature(
        type="text", preprocessing={"word_tokenizer": "space", "word_most_common": 9, "char_sequence_length_limit": 7}
    )
    assert found["preprocessing"] == {"tokenizer": "space", "most_common": 9, "max_sequence_length": 7}


def test_preprocessing_of_a_type_is_a_default_of_the_type():
    document, _ = upgraded(
        preprocessing={"numerical": {"normalization": "zscore"}, "sample_ratio": 0.5},
        defaults={"number": {"preprocessing": {"fill_value": 1.0}, "encoder": "dense"}},
    )
    assert document["preprocessing"] == {"sample_ratio": 0.5}
    assert document["defaults"]["number"] == {
        "preprocessing": {"fill_value": 1.0, "normalization": "zscore"},
        "encoder": {"type": "dense"},
    }
    assert "preprocessing" not in upgraded(preprocessing={"number": {"normalization": "zscore"}})[0]


@pytest.mark.parametrize(
    ("old", "split"),
    [
        ({"force_split": True}, {"type": "random"}),
        ({"split_probabilities": [0.8, 0.1, 0.1]}, {"type": "random", "probabilities": [0.8, 0.1, 0.1]}),
        ({"stratify": "y"}, {"type": "stratify", "column": "y"}),
        (
            {"stratify": "y", "split_probabilities": [0.8, 0.1, 0.1], "force_split": False},
            {"type": "stratify", "column": "y", "probabilities": [0.8, 0.1, 0.1]},
        ),
    ],
)
def test_old_ways_to_say_the_split(old, split):
    assert upgraded(preprocessing=old)[0]["preprocessing"] == {"split": split}


def test_flat_parameters_of_the_learning_rate_belong_to_its_scheduler():
    document, _ = upgraded(
        trainer={
            "decay": True,
            "decay_rate": 0.9,
            "reduce_learning_rate_on_plateau": 2,
            "learning_rate_warmup_epochs": 1,
            "increase_batch_size_on_plateau_max": 64,
            "eval_batch_size": 0,
            "type": "trainer",
        }
    )
    assert document["trainer"] == {
        "learning_rate_scheduler": {
            "decay": "exponential",
            "decay_rate": 0.9,
            "reduce_on_plateau": 2,
            "warmup_evaluations": 1,
        },
        "max_batch_size": 64,
        "eval_batch_size": None,
    }


def test_null_switches_clipping_and_the_scheduler_off():
    document, _ = upgraded(trainer={"gradient_clipping": None, "learning_rate_scheduler": None})
    assert document["trainer"] == {"gradient_clipping": {"clipglobalnorm": None, "clipnorm": None, "clipvalue": None}}


def test_empty_sections_say_nothing():
    document, warnings = upgraded(trainer=None, preprocessing=None, defaults=None, combiner=None, hyperopt={})
    assert set(document) == {"input_features", "output_features"}
    assert warnings == []


def test_what_ludwig_renders_is_understood():
    found, _ = output(
        type="category",
        proc_column="y_abc",
        default_validation_metric="accuracy",
        input_size=None,
        num_classes=None,
        preprocessing={"computed_fill_value": "<UNK>"},
        loss={"type": "softmax_cross_entropy", "class_weights": 1},
    )
    assert found == {
        "name": "y",
        "type": "category",
        "preprocessing": {},
        "loss": {"type": "softmax_cross_entropy"},
    }
    profiler = {"wait": 1, "warmup": 1, "active": 3, "repeat": 5, "skip_first": 0}
    assert upgraded(trainer={"profiler": profiler})[0]["trainer"] == {}
