"""An output feature's side of the network. N rows, D units, K logits, E ensemble members, T steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.reduce import Reducer, reducer
from ostinato.decoders.nn import check_classes
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.features.spec import OutputSpec
from ostinato.model.calibration import calibrated
from ostinato.module import Combiner, Decoder, Loss
from ostinato.registry import implementation
from ostinato.shape import Shape


class Output(nn.Module):
    """Decoder, loss, calibration and clipping of one output feature."""

    temperature: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, spec: OutputSpec, shape: Shape, combiner: Combiner, extra: int) -> None:
        super().__init__()
        check_classes(spec.decoder, shape.classes)
        self.dependencies = spec.dependencies
        self.is_depended_on = False
        self.reduce: Reducer | None = None
        size = combiner.output_size
        if combiner.output_length:
            self.reduce = reducer(spec.reduce_input, combiner.output_length, size)
            assert self.reduce is not None
            size = self.reduce.output_size
        self.loss: Loss = implementation(type(spec.loss))(spec.loss, shape)
        self.decoder: Decoder = implementation(type(spec.decoder))(
            spec.decoder, size + extra, self.loss.num_logits, combiner.num_members
        )
        self.kind = shape.kind
        self.calibration = bool(getattr(spec, "calibration", False))
        self.register_buffer("temperature", torch.ones(()))
        # A number is predicted in deviations from the mean of the training rows, whatever its normalization.
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.clip: tuple[float, float] | None = None
        if isinstance(spec, NumberOutputSpec) and spec.clip is not None:
            self.clip = (shape.encoded(spec.clip[0]), shape.encoded(spec.clip[1]))

    def forward(self, combined: Tensor, mask: Tensor | None, others: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The combiner's output and what dependencies give -> logits [..., K], last hidden layer."""
        hidden = combined if self.reduce is None else self.reduce(combined, mask)
        if others:
            hidden = torch.cat([hidden, *others], dim=-1)
        logits, last = self.decoder(hidden)
        if self.kind == "number":
            logits = torch.addcmul(self.centre, logits, self.spread)
        return logits, last

    def fit(self, target: Tensor) -> None:
        """Takes the mean and deviation of training targets [N], where they are numbers."""
        if self.kind == "number":
            deviation = target.std(correction=0)
            self.centre.copy_(target.mean())
            self.spread.copy_(deviation if deviation > 1e-8 else torch.ones(()))

    def uncalibrated(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, the mean over the members."""
        scores = self.loss.link(logits.float())
        if scores.ndim == 3:
            scores = scores.mean(dim=1)
        return scores if self.kind == "code" else scores.squeeze(-1)

    def scores(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, calibrated and clipped."""
        scores = self.uncalibrated(logits)
        if self.calibration:
            return calibrated(scores, self.temperature)
        return scores if self.clip is None else scores.clamp(*self.clip)
