"""Losses of both binary and category outputs. N rows, K classes; K = 1 logit, that of true, for a binary output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.errors import ConfigError, Problem, did_you_mean, listing
from ostinato.losses.spec import ClassWeights, EntropicOpenSetSpec, FocalSpec, ObjectosphereSpec
from ostinato.module import Loss
from ostinato.registry import implements
from ostinato.shape import Shape


def of_target(values: Tensor, targets: Tensor) -> Tensor:
    """[N, K] values, [N] codes -> [N], the value of each row's own class (that of class 0 where it is unknown)."""
    return values.gather(-1, targets.clamp_min(0).long().unsqueeze(-1)).squeeze(-1)


def given_class_weights(given: ClassWeights | None, classes: tuple[str, ...]) -> Tensor | None:
    """[K] weights in the order of the codes; None where none are given.

    Raises:
        ConfigError: weights for other classes than those of the data.
    """
    if given is None:
        return None
    where = "loss.class_weights"
    if isinstance(given, dict):
        unknown = [
            Problem(f"{where}.{name}", f"there is no class '{name}'", listing(classes), did_you_mean(name, classes))
            for name in given
            if name not in classes
        ]
        missing = [Problem(where, f"there is no weight for class '{name}'") for name in classes if name not in given]
        if unknown or missing:
            raise ConfigError([*unknown, *missing])
        return torch.tensor([given[name] for name in classes], dtype=torch.float32)
    if len(given) != len(classes):
        raise ConfigError(
            Problem(where, f"found {len(given)} weights", f"{len(classes)}, one for each of {listing(classes)}")
        )
    return torch.tensor(given, dtype=torch.float32)


class ClassesLoss(Loss):
    """Probabilities are the softmax of the logits, or the sigmoid of the one logit of a binary output."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] probabilities of the classes, or [..., 1] of true."""
        return logits.softmax(dim=-1) if self.shape.kind == "code" else torch.sigmoid(logits)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """[N, K] -> [N, K] of the classes; [N, 1] -> [N, 2] of false and true."""
        if self.shape.kind == "code":
            return logits.log_softmax(dim=-1)
        return torch.cat([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=-1)


@implements(FocalSpec)
class Focal(ClassesLoss):
    """Cross entropy times alpha (1 - p)^gamma (Lin et al. 2017, eq. 5); 1 - alpha for the negative class of two."""

    def __init__(self, spec: FocalSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.alpha = spec.alpha
        self.gamma = spec.gamma

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        log_probability = of_target(self.log_probabilities(logits), targets)
        missing = (1 - log_probability.exp()).clamp_min(1e-12)  # a power has no gradient at 0
        rows = -(missing**self.gamma) * log_probability
        if self.shape.kind == "binary":
            return rows * torch.where(targets == 1, self.alpha, 1 - self.alpha)
        return rows * self.alpha


class OpenSetLoss(ClassesLoss):
    """Knows which rows are of the background class."""

    def __init__(self, spec: EntropicOpenSetSpec | ObjectosphereSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        num_classes = shape.vocab_size if shape.kind == "code" else 2
        if spec.background_class is not None and not 0 <= spec.background_class < num_classes:
            codes = listing(f"{code} ({name})" for code, name in enumerate(shape.classes))
            raise ConfigError(
                Problem("loss.background_class", f"found {spec.background_class}", f"null or one of {codes}")
            )
        # No row has the code -2.
        self.background = -2 if spec.background_class is None else spec.background_class

    def entropic(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N] cross entropy; with the uniform distribution for background rows (eq. 1)."""
        log_probabilities = self.log_probabilities(logits)
        known = -of_target(log_probabilities, targets)
        return torch.where(targets == self.background, -log_probabilities.mean(dim=-1), known)


@implements(EntropicOpenSetSpec)
class EntropicOpenSet(OpenSetLoss):
    """Cross entropy; background rows are pushed to the uniform distribution."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        return self.entropic(logits, targets)


@implements(ObjectosphereSpec)
class Objectosphere(OpenSetLoss):
    """Entropic open set, and logits of at least length xi for known rows, of length 0 for background rows (eq. 2)."""

    def __init__(self, spec: ObjectosphereSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.xi = spec.xi
        self.zeta = spec.zeta

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        squared_length = logits.square().sum(dim=-1)
        length = (squared_length + 1e-12).sqrt()  # the root has no gradient at 0
        penalty = torch.where(targets == self.background, squared_length, torch.relu(self.xi - length).square())
        return self.entropic(logits, targets) + self.zeta * penalty
