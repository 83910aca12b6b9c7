"""Which model is the best, and where training is."""

from __future__ import annotations

from dataclasses import dataclass, field

from ostinato.config import Config
from ostinato.metrics.spec import COMBINED, LOSS, METRICS, canonical
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

    @property
    def is_interrupted(self) -> bool:
        """Whether training was to end before its end."""
        return self.stopped == "interrupted"


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
        field, metric = config.trainer.validation_field, canonical(config.trainer.validation_metric or LOSS)
        split = "validation" if num_validation_rows else "training"
        outputs = config.output_features
        if field is None:
            having = [output.name for output in outputs if metric in METRICS[output.type]]
            # The loss of one output has a kinder name than `combined`.
            field = having[0] if metric != LOSS or len(outputs) == 1 else COMBINED
        return cls(field, metric, split)

    def value(self, metrics: Metrics) -> float | None:
        """The number; None where it is not defined."""
        return metrics.get(self.output, {}).get(self.metric)

    def __str__(self) -> str:
        return f"{self.output}.{self.metric} ({self.split} rows)"
