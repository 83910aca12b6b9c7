"""Named sets of defaults: `preset: ludwig`, the defaults of Ludwig 0.17.

They are written out, also where ours are the same today, so that a better default of ours changes nothing here.
"""

from __future__ import annotations

from ostinato.document import Mark, Section, from_mapping

MARK = Mark("preset ludwig")
_FC = {"num_fc_layers": 0, "output_size": 256, "norm": None, "use_bias": True}
_FC_START = {"weights_initializer": "xavier_uniform", "bias_initializer": "zeros"}
LUDWIG: dict[str, dict[str, object]] = {
    "inputs": {
        "number": {
            "preprocessing": {
                "missing_value_strategy": "fill_with_const",
                "fill_value": 0.0,
                "normalization": "zscore",
                "outlier_strategy": None,
            },
            "encoder": {"type": "passthrough"},
            "encoder_of": {"ple": {"num_bins": 64, "output_size": 256}},
        },
        "category": {
            "preprocessing": {"missing_value_strategy": "fill_with_const", "most_common": 10000},
            "encoder": {"type": "dense", "embedding_size": 50, "dropout": 0.0},
        },
        "binary": {
            "preprocessing": {"missing_value_strategy": "fill_with_false"},
            "encoder": {"type": "passthrough"},
        },
        "text": {
            "preprocessing": {"tokenizer": "space_punct", "max_sequence_length": 256, "most_common": 20000},
            "encoder": {"type": "parallel_cnn", "embedding_size": 256, "num_filters": 256, "reduce_output": "sum"},
        },
    },
    "outputs": {
        "number": {
            "preprocessing": {"fill_value": 0.0, "normalization": None},
            "decoder": {"type": "regressor", "num_fc_layers": 0},
            "loss": {"type": "mean_squared_error"},
        },
        "category": {
            "decoder": {"type": "classifier", "num_fc_layers": 0},
            "loss": {"type": "softmax_cross_entropy"},
        },
        "binary": {
            "decoder": {"type": "regressor", "num_fc_layers": 0},
            "loss": {"type": "binary_weighted_cross_entropy"},
        },
    },
    "trainer": {
        "early_stop": 5,
        "refit": False,
        "epochs": 100,
        "learning_rate": 0.001,
        "optimizer": {"type": "adam", "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
        "learning_rate_scheduler": {"decay": None, "reduce_on_plateau": 0, "warmup_fraction": 0.0},
        "gradient_clipping": {"clipglobalnorm": 0.5, "clipnorm": None, "clipvalue": None},
        "regularization_lambda": 0.0,
    },
}
LUDWIG_COMBINERS: dict[str, dict[str, object]] = {
    "concat": {
        "type": "concat", "dropout": 0.0, "activation": "relu", "residual": False, "flatten_inputs": False,
        "batch_ensemble": False, "num_ensemble_members": 4, **_FC, **_FC_START,
    },
    "ft_transformer": {
        "type": "ft_transformer", "dropout": 0.1, "transformer_output_size": 256, "hidden_size": 256, "num_layers": 1,
        "num_heads": 8, "fc_dropout": 0.0, "fc_activation": "relu", "fc_residual": False, **_FC, **_FC_START,
    },
}  # fmt: skip

LUDWIG_OPTIMIZERS: dict[str, dict[str, object]] = {"adamw": {"type": "adamw", "weight_decay": 0.0}}
"""What Ludwig means by optimizers other than its default."""


def preset_of(document: Section, num_inputs: int) -> Section | None:
    """What a document's preset says, below what the document says itself; None where there is no preset.

    `inputs` and `outputs` hold what features of each type get (`encoder_of` by the type of an encoder that the feature
    chooses itself), the other keys are those of a config.
    """
    if document.get("preset") != "ludwig":
        return None
    own = document.section("combiner")
    default = "ft_transformer" if num_inputs >= 3 else "concat"
    name = own.get("type", "concat") if own is not None else default
    combiner = LUDWIG_COMBINERS[name if isinstance(name, str) and name in LUDWIG_COMBINERS else default]
    preset = from_mapping({**LUDWIG, "combiner": combiner}, MARK)
    trainer = document.section("trainer")
    optimizer = trainer.section("optimizer") if trainer is not None else None
    name = optimizer.get("type") if optimizer is not None else None
    base = preset.section("trainer")
    if isinstance(name, str) and name in LUDWIG_OPTIMIZERS and base is not None:
        base.put("optimizer", from_mapping(LUDWIG_OPTIMIZERS[name], MARK), MARK)
    return preset
