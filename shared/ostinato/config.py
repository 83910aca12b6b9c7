"""The whole config: what `config.yaml` says, with every default filled in.

A new feature type is one folder below `features/` and its line among the imports here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import MinLen
from pydantic import Strict, model_validator

from ostinato.backend.spec import BackendSpec
from ostinato.combiners.comparator import spec as _comparator
from ostinato.combiners.concat.spec import ConcatSpec
from ostinato.combiners.cross_attention import spec as _cross_attention
from ostinato.combiners.ft_transformer import spec as _ft_transformer
from ostinato.combiners.gated_fusion import spec as _gated_fusion
from ostinato.combiners.hypernetwork import spec as _hypernetwork
from ostinato.combiners.perceiver import spec as _perceiver
from ostinato.combiners.project_aggregate import spec as _project_aggregate
from ostinato.combiners.sequence_concat import spec as _sequence_concat
from ostinato.combiners.spec import COMBINERS, CombinerSpec
from ostinato.combiners.tabm import spec as _tabm
from ostinato.combiners.tabnet import spec as _tabnet
from ostinato.combiners.tabtransformer import spec as _tabtransformer
from ostinato.combiners.transformer import spec as _transformer
from ostinato.contract.spec import DataContractSpec
from ostinato.encoders.category import spec as _category_encoders  # registers itself
from ostinato.encoders.date import spec as _date_encoders  # registers itself
from ostinato.encoders.dense import spec as _dense_encoders  # registers itself
from ostinato.encoders.h3 import spec as _h3_encoders  # registers itself
from ostinato.encoders.number import spec as _number_encoders  # registers itself
from ostinato.encoders.sequence import spec as _sequence_encoders  # registers itself
from ostinato.encoders.set import spec as _set_encoders  # registers itself
from ostinato.encoders.timeseries import spec as _timeseries_encoders  # registers itself
from ostinato.features.bag import spec as _bag  # registers itself
from ostinato.features.binary import spec as _binary  # registers itself
from ostinato.features.category import spec as _category  # registers itself
from ostinato.features.category_distribution import spec as _category_distribution  # registers itself
from ostinato.features.date import spec as _date  # registers itself
from ostinato.features.h3 import spec as _h3  # registers itself
from ostinato.features.number import spec as _number  # registers itself
from ostinato.features.sequence import spec as _sequence  # registers itself
from ostinato.features.set import spec as _set  # registers itself
from ostinato.features.spec import INPUTS, OUTPUTS, InputSpec, OutputSpec
from ostinato.features.text import spec as _text  # registers itself
from ostinato.features.timeseries import spec as _timeseries  # registers itself
from ostinato.features.vector import spec as _vector  # registers itself
from ostinato.gate.spec import GateSpec
from ostinato.model_registry.spec import RegistrySpec
from ostinato.notify.spec import NotifySpec
from ostinato.registry import OneOf
from ostinato.spec import Later, Pending, PendingNull, Positive, PositiveInt, Probability, Spec, clash
from ostinato.split.spec import SPLITS, RandomSplitSpec, SplitSpec
from ostinato.trainer.spec import TrainerSpec


class GlobalPreprocessingSpec(Spec):
    """Which rows are used, and for what."""

    sample_ratio: Probability = 1.0
    """Share of the rows that is used, chosen at random before the split."""
    sample_size: PositiveInt | None = None
    """Most rows that are used, chosen at random before the split."""
    oversample_minority: Positive | None = None
    """Ratio of minority to majority among the training rows, reached by repeating rows of the minority."""
    undersample_majority: Positive | None = None
    """Ratio of minority to majority among the training rows, reached by leaving out rows of the majority."""
    split: Annotated[SplitSpec, OneOf(SPLITS, "random")] = RandomSplitSpec()
    """Which rows train, validate and test."""
    global_max_sequence_length: PendingNull = None
    """Length of input and target together (large language models)."""

    @model_validator(mode="after")
    def _one_way_each(self) -> GlobalPreprocessingSpec:
        if self.sample_size is not None and self.sample_ratio < 1:
            raise clash("sample_size", "'sample_size' and 'sample_ratio' both say how many rows", "one of them")
        if self.oversample_minority is not None and self.undersample_majority is not None:
            message = "'undersample_majority' and 'oversample_minority' both balance the classes"
            raise clash("undersample_majority", message, "one of them")
        return self


class Config(Spec):
    """What `config.yaml` says, with every default filled in."""

    later: ClassVar[frozenset[str]] = frozenset({
        "base_model", "prompt", "generation", "adapter", "adapters", "quantization", "model_parameters",
        "trust_remote_code", "is_multimodal",
    })  # fmt: skip
    """Of large language models."""

    model_type: Annotated[Literal["ecd", "llm"], Pending("ecd")] = "ecd"
    """Kind of model: encoders, combiner, decoders."""
    input_features: Annotated[tuple[Annotated[InputSpec, OneOf(INPUTS, "")], ...], Strict(False), MinLen(1)]
    """The columns to learn from."""
    output_features: Annotated[tuple[Annotated[OutputSpec, OneOf(OUTPUTS, "")], ...], Strict(False), MinLen(1)]
    """The columns to predict."""
    combiner: Annotated[CombinerSpec, OneOf(COMBINERS, "concat")] = ConcatSpec()
    """How the encodings of all inputs become one."""
    preprocessing: GlobalPreprocessingSpec = GlobalPreprocessingSpec()
    """Which rows are used, and for what."""
    trainer: TrainerSpec = TrainerSpec()
    """How the model is trained."""
    defaults: dict[str, Any] = {}
    """Parameters for all features of a type; a feature's own win."""
    preset: (
        Annotated[
            Literal["ludwig"],
            Later(frozenset({"medium_quality", "high_quality", "best_quality", "tabular_realmlp"})),
        ]
        | None
    ) = None
    """Named set of defaults; `ludwig` for those of Ludwig 0.17."""
    hyperopt: PendingNull = None
    """Search over parameters."""
    backend: BackendSpec = BackendSpec()
    """Where the work is done."""
    data_contract: DataContractSpec | None = None
    """What a pipeline compares new data with before it preprocesses them; null for nothing."""
    gate: GateSpec | None = None
    """What a pipeline asks of a new model before it takes the place of the one in use; null for nothing."""
    registry: RegistrySpec | None = None
    """Registry of models that a pipeline enters a new model into; null for none."""
    notify: NotifySpec | None = None
    """Who is told how a run of a pipeline ended; null for nobody."""
    ludwig_version: str | None = None
    """Version of Ludwig that the config was written for; older forms are understood whatever it says."""
