"""An output feature's side of the network. N rows, D units, K logits, E ensemble members, T steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.reduce import Reducer, reducer
from ostinato.decoders.nn import check_classes
from ostinato.decoders.spec import ProjectorSpec
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.features.spec import OutputSpec
from ostinato.features.vector.spec import VectorOutputSpec
from ostinato.losses.nn.distribution import ExpectedLoss
from ostinato.losses.spec import VectorCrossEntropySpec
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
        self.loss = _loss(spec, shape)
        self.decoder: Decoder = implementation(type(spec.decoder))(
            spec.decoder, size + extra, self.loss.num_logits, combiner.num_members
        )
        self.is_one_score = shape.is_one_score
        self.calibration = bool(getattr(spec, "calibration", False))
        self.register_buffer("temperature", torch.ones(()))
        # Numbers are predicted in deviations from the mean of the training rows, whatever their normalization.
        self.is_shifted = _is_shifted(spec)
        places = [shape.length] if shape.kind == "vector" else []
        self.register_buffer("centre", torch.zeros(places))
        self.register_buffer("spread", torch.ones(places))
        self.has_softmax = isinstance(spec, VectorOutputSpec) and spec.softmax and not _is_cross_entropy(spec)
        self.clip: tuple[float, float] | None = None
        if isinstance(spec, NumberOutputSpec) and spec.clip is not None:
            self.clip = (shape.encoded(spec.clip[0]), shape.encoded(spec.clip[1]))
        elif isinstance(spec.decoder, ProjectorSpec):
            self.clip = spec.decoder.clip

    def forward(self, combined: Tensor, mask: Tensor | None, others: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The combiner's output and what dependencies give -> logits [..., K], last hidden layer."""
        hidden = combined if self.reduce is None else self.reduce(combined, mask)
        if others:
            hidden = torch.cat([hidden, *others], dim=-1)
        logits, last = self.decoder(hidden)
        if self.is_shifted:
            logits = torch.addcmul(self.centre, logits, self.spread)
        return logits.softmax(dim=-1) if self.has_softmax else logits, last

    def fit(self, target: Tensor) -> None:
        """Takes the mean and deviation of training targets [N] or [N, T], where they are numbers."""
        if self.is_shifted:
            deviation = target.std(dim=0, correction=0)
            self.centre.copy_(target.mean(dim=0))
            self.spread.copy_(torch.where(deviation > 1e-8, deviation, 1.0))

    def uncalibrated(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, the mean over the members."""
        scores = self.loss.link(logits.float())
        if scores.ndim == 3:
            scores = scores.mean(dim=1)
        return scores.squeeze(-1) if self.is_one_score else scores

    def scores(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, calibrated and clipped."""
        scores = self.uncalibrated(logits)
        if self.calibration:
            return calibrated(scores, self.temperature)
        return scores if self.clip is None else scores.clamp(*self.clip)


def _loss(spec: OutputSpec, shape: Shape) -> Loss:
    kind = implementation(type(spec.loss))
    if shape.kind != "distribution":
        loss: Loss = kind(spec.loss, shape)
        return loss
    return ExpectedLoss(spec.loss, shape, kind(spec.loss, dataclasses.replace(shape, kind="code")))


def _is_cross_entropy(spec: OutputSpec) -> bool:
    return isinstance(spec.loss, VectorCrossEntropySpec)


def _is_shifted(spec: OutputSpec) -> bool:
    if isinstance(spec, VectorOutputSpec):
        bounded = isinstance(spec.decoder, ProjectorSpec) and spec.decoder.activation is not None
        return not (spec.softmax or bounded or _is_cross_entropy(spec))
    return isinstance(spec, NumberOutputSpec)
