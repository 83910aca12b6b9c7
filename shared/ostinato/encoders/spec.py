"""The registry of encoders, by feature type."""

from __future__ import annotations

from ostinato.registry import Registry
from ostinato.spec import PendingFalse, PendingNull, Spec

_SEQUENCE = frozenset({"mamba", "mamba2", "jamba"})
_HUGGING_FACE = frozenset({
    "albert", "xlmroberta", "bert", "modernbert", "deberta", "gpt", "gpt2", "roberta", "xlnet", "distilbert",
    "camembert", "t5", "electra", "longformer", "auto_transformer", "tf_idf", "llm",
})  # fmt: skip

ENCODERS = Registry(
    "encoder", pending={"text": _SEQUENCE | _HUGGING_FACE, "sequence": _SEQUENCE, "timeseries": _SEQUENCE}
)


class EncoderSpec(Spec):
    """What every encoder can be told."""

    type: str
    """Name of the encoder."""
    skip: PendingFalse = False
    """Whether to leave the encoder out."""
    adapter: PendingNull = None
    """Parameter-efficient fine-tuning of a pretrained encoder."""
