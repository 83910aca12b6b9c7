"""Short and older forms of the language, brought into today's form as Ludwig does it.

A short form (`encoder: dense`, `optimizer: adamw`) is as good as the long one. An older form (`training`, `numerical`,
parameters of an encoder beside the feature's) gives a warning. What `ludwig_version` says does not matter: an old form
means the same in each version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ostinato.decoders.spec import DECODERS
from ostinato.document import Entry, Items, Mark, Section, plain
from ostinato.encoders.spec import ENCODERS
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.registry import Registry, one_of

OLD_TEXT_KEYS = {
    "sequence_length_limit": "max_sequence_length",
    **{
        f"{unit}_{old}": new
        for unit in ("word", "char")
        for old, new in (
            ("most_common", "most_common"),
            ("vocab_size", "most_common"),
            ("sequence_length_limit", "max_sequence_length"),
            ("tokenizer", "tokenizer"),
            ("vocab_file", "vocab_file"),
        )
    },
}
OLD_BIAS_KEYS = {"bias": "use_bias", "conv_bias": "conv_use_bias", "default_bias": "default_use_bias"}
OLD_FILLS = {"backfill": "bfill", "pad": "ffill"}
RAY_KEYS = ("processor", "loader", "preprocessor_kwargs")
RAY_TRAINER_KEYS = ("use_gpu", "resources_per_worker", "logdir")
OLD_SCHEDULER_KEYS = {
    "reduce_learning_rate_on_plateau": "reduce_on_plateau",
    "reduce_learning_rate_on_plateau_patience": "reduce_on_plateau_patience",
    "reduce_learning_rate_on_plateau_rate": "reduce_on_plateau_rate",
    "reduce_learning_rate_eval_metric": "reduce_eval_metric",
    "reduce_learning_rate_eval_split": "reduce_eval_split",
    "decay": "decay",
    "decay_steps": "decay_steps",
    "decay_rate": "decay_rate",
    "staircase": "staircase",
    "learning_rate_warmup_epochs": "warmup_evaluations",
}
FC_KEYS = (
    "fc_layers", "output_size", "use_bias", "weights_initializer", "bias_initializer", "norm", "norm_params",
    "activation", "dropout",
)  # fmt: skip
DERIVED_KEYS = ("proc_column", "default_validation_metric", "input_size", "num_classes")
"""What Ludwig writes into a rendered feature; it follows from the data."""
COMPUTED_KEYS = ("computed_fill_value", "computed_outlier_fill_value")
"""The same in its section `preprocessing`."""
LUDWIG_PROFILER = {"wait": 1, "warmup": 1, "active": 3, "repeat": 5, "skip_first": 0}


@dataclass
class Notes:
    """What was upgraded, in words."""

    texts: list[str] = field(default_factory=list)

    def add(self, at: Mark, text: str) -> None:
        """Notes an upgrade."""
        self.texts.append(f"{at}: {text}" if str(at) else text)


def upgrade(document: Section) -> list[str]:
    """Brings a document into today's form, in place; what was old, in words. Doing it twice changes nothing more."""
    notes = Notes()
    _rename(document, "training", "trainer", notes)
    for key in ("trainer", "preprocessing", "defaults", "combiner", "backend"):
        _drop_null(document, key)
    if document.get("hyperopt") == {}:
        document.take("hyperopt")
    for key in ("combiner", "backend"):
        _type_section(document, key)
    for registry, key in ((INPUTS, "input_features"), (OUTPUTS, "output_features")):
        for feature in _sections(document.get(key)):
            _feature(feature, registry, notes)
    _preprocessing(document, notes)
    for name, section in _subsections(document.section("defaults")):
        _defaults(name, section, notes)
    if (trainer := document.section("trainer")) is not None:
        _trainer(trainer, notes)
    if (backend := document.section("backend")) is not None and backend.get("type") == "ray":
        _ray(backend, notes)
    return notes.texts


def _sections(value: object) -> list[Section]:
    return value.sections() if isinstance(value, Items) else []


def _subsections(section: Section | None) -> Iterator[tuple[str, Section]]:
    if section is None:
        return
    if "numerical" in section and "number" not in section:
        section.rename("numerical", "number")
    for name in list(section):
        _drop_null(section, name)
        if (below := section.section(name)) is not None:
            yield name, below


def _drop_null(section: Section, key: str) -> None:
    """A section with nothing in it (`trainer:`) says nothing."""
    if key in section and section[key] is None:
        section.take(key)


def _type_section(section: Section, key: str, inner: str = "type") -> None:
    """`combiner: concat` is `combiner: {type: concat}`."""
    if isinstance(section.get(key), str):
        entry = section.entry(key)
        below = Section()
        below.put(inner, entry.value, entry.key_at, entry.value_at)
        section.put(key, below, entry.key_at, entry.value_at)


def _rename(section: Section, old: str, new: str, notes: Notes) -> None:
    if old not in section:
        return
    at = section.keys_at[old]
    if new in section:
        section.take(old)
        notes.add(at, f"'{old}' is an old name of '{new}', which is there too: it is ignored")
    else:
        section.rename(old, new)
        notes.add(at, f"'{old}' is now called '{new}'")


def _rename_all(section: Section, names: Mapping[str, str], notes: Notes) -> None:
    for old in [key for key in section if key in names]:
        _rename(section, old, names[old], notes)


def _biases(section: Section, notes: Notes) -> None:
    _rename_all(section, OLD_BIAS_KEYS, notes)
    for value in section.values():
        if isinstance(value, Section):
            _biases(value, notes)
        for item in _sections(value):
            _biases(item, notes)


def _feature(feature: Section, registry: Registry, notes: Notes) -> None:
    if feature.get("type") == "numerical":
        entry = feature.entry("type")
        feature.put("type", "number", entry.key_at, entry.value_at)
        notes.add(entry.value_at, "the type 'numerical' is now called 'number'")
    for key in DERIVED_KEYS:
        if key in feature and (registry is OUTPUTS or key == "proc_column"):
            feature.take(key)
    _parts(feature, notes)
    kind = feature.get("type")
    if isinstance(kind, str) and kind in registry.specs[""]:
        _nest(feature, kind, registry, notes)
        if registry is OUTPUTS:
            _decoder(feature, kind, notes)


def _parts(section: Section, notes: Notes) -> None:
    """The parts of a feature, or of the defaults of a type."""
    for key in ("preprocessing", "encoder", "decoder", "loss"):
        _drop_null(section, key)
        if key != "preprocessing":
            _type_section(section, key)
    _biases(section, notes)
    if (preprocessing := section.section("preprocessing")) is not None:
        _feature_preprocessing(preprocessing, notes)
    loss = section.section("loss")
    if loss is not None and isinstance(loss.get("class_weights"), int | float):
        entry = loss.take("class_weights")
        notes.add(entry.key_at, "'class_weights' as one number means nothing: it is ignored")


def _feature_preprocessing(preprocessing: Section, notes: Notes) -> None:
    _rename_all(preprocessing, OLD_TEXT_KEYS, notes)
    fill = preprocessing.get("missing_value_strategy")
    if isinstance(fill, str) and fill in OLD_FILLS:
        entry = preprocessing.entry("missing_value_strategy")
        preprocessing.put("missing_value_strategy", OLD_FILLS[fill], entry.key_at, entry.value_at)
        notes.add(entry.value_at, f"'{fill}' is now called '{OLD_FILLS[fill]}'")
    for key in COMPUTED_KEYS:
        if key in preprocessing:
            preprocessing.take(key)
    prompt = preprocessing.section("prompt")
    if prompt is not None and _says_nothing(prompt):
        preprocessing.take("prompt")


def _says_nothing(value: object) -> bool:
    """Whether all there is is null or 0, as in the sections that Ludwig renders for what is not used."""
    return all(map(_says_nothing, value.values())) if isinstance(value, dict) else value in (None, 0)


def _nest(feature: Section, kind: str, registry: Registry, notes: Notes) -> None:
    """Parameters of the encoder or decoder beside those of the feature are moved into its section."""
    spec = registry.specs[""][kind]
    part, parts = ("encoder", ENCODERS) if registry is INPUTS else ("decoder", DECODERS)
    section = feature.section(part)
    choice = one_of(spec, part)
    assert choice
    name = section.get("type", choice.default) if section is not None else choice.default
    known = {key for each in parts.specs[kind].values() for key in each.model_fields}
    anything = isinstance(name, str) and name in parts.pending.get(kind, ())
    for key in list(feature):
        moved = f"fc_{key}" if part == "decoder" and key in FC_KEYS else key
        if key in spec.model_fields or key in spec.later or not (anything or {key, moved} & known):
            continue
        entry = feature.take(key)
        if section is None:
            section = Section()
            feature.put(part, section, entry.key_at)
        section.add(key, entry)
        notes.add(entry.key_at, f"'{key}' belongs below '{part}'; it was moved there")


def _decoder(feature: Section, kind: str, notes: Notes) -> None:
    """Names of fully connected layers' parameters that a decoder does not have itself get their prefix `fc_`."""
    decoder, choice = feature.section("decoder"), one_of(OUTPUTS.specs[""][kind], "decoder")
    assert choice
    name = decoder.get("type", choice.default) if decoder is not None else None
    if decoder is None or not isinstance(name, str) or name not in DECODERS.specs[kind]:
        return
    fields = DECODERS.get(name, kind).model_fields
    for key in FC_KEYS:
        if key in decoder and key not in fields:
            _rename(decoder, key, f"fc_{key}", notes)


def _defaults(name: str, section: Section, notes: Notes) -> None:
    if isinstance(section.get("type"), str):
        section.take("type")
    _parts(section, notes)
    if name in OUTPUTS.specs[""]:
        _decoder(section, name, notes)


def _preprocessing(document: Section, notes: Notes) -> None:
    preprocessing = document.section("preprocessing")
    if preprocessing is None:
        return
    kinds = {*INPUTS.specs[""], *OUTPUTS.specs[""], *INPUTS.pending[""], *OUTPUTS.pending[""], "numerical"}
    for key in [key for key in preprocessing if key in kinds]:
        _move_to_defaults(document, key, preprocessing.take(key), notes)
    _split(preprocessing, notes)
    _type_section(preprocessing, "split")
    if not preprocessing:
        document.take("preprocessing")


def _move_to_defaults(document: Section, key: str, entry: Entry, notes: Notes) -> None:
    """`preprocessing.number` is `defaults.number.preprocessing`."""
    name = "number" if key == "numerical" else key
    notes.add(entry.key_at, f"'preprocessing.{key}' is now 'defaults.{name}.preprocessing'")
    below = _below(_below(document, "defaults", entry), name, entry)
    old = below.section("preprocessing")
    if old is None or not isinstance(entry.value, Section):
        below.add("preprocessing", entry)
        return
    for inner in entry.value:
        old.add(inner, entry.value.entry(inner))


def _below(section: Section, key: str, entry: Entry) -> Section:
    below = section.section(key)
    if below is None:
        below = Section()
        section.put(key, below, entry.key_at, entry.value_at)
    return below


def _split(preprocessing: Section, notes: Notes) -> None:
    """`force_split`, `split_probabilities` and `stratify` are parts of `split`."""
    old = {
        key: preprocessing.take(key)
        for key in ("force_split", "split_probabilities", "stratify")
        if key in preprocessing
    }
    old = {key: entry for key, entry in old.items() if entry.value is not None}
    if not old:
        return
    first = next(iter(old.values()))
    split = Section()
    if "stratify" in old:
        split.put("type", "stratify", old["stratify"].key_at)
        split.add("column", old["stratify"])
    else:
        split.put("type", "random", first.key_at)
    if "split_probabilities" in old:
        split.add("probabilities", old["split_probabilities"])
    preprocessing.put("split", split, first.key_at, first.value_at)
    notes.add(first.key_at, f"{', '.join(repr(key) for key in old)}: now said by 'preprocessing.split'")


def _trainer(trainer: Section, notes: Notes) -> None:
    _type_section(trainer, "optimizer")
    _type_section(trainer, "learning_rate_scheduler", "decay")
    for key in ("optimizer", "learning_rate_scheduler"):
        _drop_null(trainer, key)
    if "gradient_clipping" in trainer and trainer["gradient_clipping"] is None:
        entry = trainer.entry("gradient_clipping")
        off = Section()
        for key in ("clipglobalnorm", "clipnorm", "clipvalue"):
            off.put(key, None, entry.value_at)
        trainer.put("gradient_clipping", off, entry.key_at, entry.value_at)
    if trainer.get("eval_batch_size") == 0 and trainer["eval_batch_size"] is not False:
        entry = trainer.entry("eval_batch_size")
        trainer.put("eval_batch_size", None, entry.key_at, entry.value_at)
        notes.add(entry.value_at, "'eval_batch_size: 0' is now 'eval_batch_size: null'")
    if trainer.get("type") in ("trainer", "ecd", "ray_trainer"):
        notes.add(trainer.take("type").key_at, "'trainer.type' is gone: it is ignored")
    if plain(trainer.get("profiler")) == LUDWIG_PROFILER and not trainer.get("enable_profiling"):
        trainer.take("profiler")
    _rename(trainer, "increase_batch_size_on_plateau_max", "max_batch_size", notes)
    _scheduler(trainer, notes)


def _ray(backend: Section, notes: Notes) -> None:
    """Ray's backend: what it says of strategy, processes and retries holds; the rest is about Ray itself."""
    entry = backend.entry("type")
    backend.put("type", "local", entry.key_at, entry.value_at)
    notes.add(entry.value_at, "the backend 'ray' is 'local' here: training starts its processes itself")
    trainer = backend.section("trainer")
    for section, keys in ((backend, RAY_KEYS), (trainer, RAY_TRAINER_KEYS)):
        for key in [key for key in section or () if key in keys]:
            assert section is not None
            notes.add(section.take(key).key_at, f"'{key}' is a setting of Ray: it is ignored")
    if trainer is not None and trainer.get("strategy") == "accelerate":
        strategy = trainer.entry("strategy")
        trainer.put("strategy", "ddp", strategy.key_at, strategy.value_at)


def _scheduler(trainer: Section, notes: Notes) -> None:
    for old, new in OLD_SCHEDULER_KEYS.items():
        if old not in trainer:
            continue
        entry = trainer.take(old)
        value = entry.value
        if old == "decay" and isinstance(value, bool):
            value = "exponential" if value else None
        elif old == "reduce_learning_rate_on_plateau" and isinstance(value, bool):
            value = int(value)
        scheduler = _below(trainer, "learning_rate_scheduler", entry)
        if new in scheduler:
            notes.add(entry.key_at, f"'{old}' is ignored: 'learning_rate_scheduler.{new}' is there too")
        else:
            scheduler.put(new, value, entry.key_at, entry.value_at)
            notes.add(entry.key_at, f"'{old}' is now 'learning_rate_scheduler.{new}'")
