"""Which model is the best, and where training is."""

from __future__ import annotations

from dataclasses import dataclass, field

from ostinato.config import Config
from ostinato.metrics.spec import COMBINED, LOSS, canonical
from ostinato.trainer.history import Metrics


@dataclass
class State:
    """Where training is."""

    epoch: int = 0
    """Whole epochs done."""
    step: int = 0
    best_step: int = 0
    best_epoch: float = 0.0
    best_value: float | None = None
    best_metrics: Metrics = field(default_factory=dict)
    """Metrics of the best evaluation on the rows that decide."""
    stopped: str = ""
    """Why training ended."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Decision:
    """Which number decides on the best model."""

    output: str
    metric: str
    split: str
    """`validation`, or `training` where there are no validation rows."""

    @classmethod
    def of(cls, config: Config, num_validation_rows: int) -> Decision:
        """By the config: the metric of `validation_field`, else the loss of all outputs together."""
        trainer = config.trainer
        split = "validation" if num_validation_rows else "training"
        if trainer.validation_field is None and trainer.validation_metric is None:
            # With one output its own name is kinder to read than `combined`.
            first = config.output_features[0].name
            return cls(first if len(config.output_features) == 1 else COMBINED, LOSS, split)
        output = trainer.validation_field or config.output_features[0].name
        return cls(output, canonical(trainer.validation_metric or LOSS), split)

    def value(self, metrics: Metrics) -> float | None:
        """The number; None where it is not defined."""
        return metrics.get(self.output, {}).get(self.metric)

    def __str__(self) -> str:
        return f"{self.output}.{self.metric} ({self.split} rows)"
