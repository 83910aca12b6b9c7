"""Losses of category outputs alone. N rows, K classes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.blocks.nn.activations import entmax15, sparsemax
from ostinato.errors import ConfigError, Problem, listing
from ostinato.losses.nn.classes import ClassesLoss, given_class_weights, of_target
from ostinato.losses.spec import CornSpec, Entmax15Spec, PolySpec, SoftmaxCrossEntropySpec, SparsemaxSpec
from ostinato.module import Loss
from ostinato.registry import implements
from ostinato.shape import Shape


@implements(SoftmaxCrossEntropySpec)
class SoftmaxCrossEntropy(ClassesLoss):
    """Cross entropy of many classes; with class weights the mean is the weighted one, as in torch."""

    class_weights: Tensor | None
    soft_targets: Tensor | None

    def __init__(self, spec: SoftmaxCrossEntropySpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.register_buffer("class_weights", _class_weights(spec, shape), persistent=False)
        self.register_buffer("soft_targets", _soft_targets(spec, shape), persistent=False)
        self.robust_lambda = spec.robust_lambda
        self.confidence_penalty = spec.confidence_penalty

    def weights(self, targets: Tensor) -> Tensor | None:
        """[N] the weight of each row's class; 0 for unknown targets."""
        known = super().weights(targets)
        if self.class_weights is None or known is None:
            return known
        return known * self.class_weights[targets.clamp_min(0).long()]

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        codes = targets.clamp_min(0).long()
        if self.soft_targets is None:
            rows = F.cross_entropy(logits, codes, reduction="none")
        else:
            rows = F.cross_entropy(logits, self.soft_targets[codes], reduction="none")
        num_classes = logits.shape[-1]
        if self.robust_lambda:
            rows = (1 - self.robust_lambda) * rows + self.robust_lambda / num_classes
        if self.confidence_penalty and num_classes > 1:
            log_probabilities = logits.log_softmax(dim=-1)
            entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=-1)
            rows = rows + self.confidence_penalty * (1 - entropy / math.log(num_classes))
        return rows


@implements(PolySpec)
class Poly(ClassesLoss):
    """Cross entropy plus epsilon (1 - p) (Leng et al. 2022, eq. 6)."""

    def __init__(self, spec: PolySpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.epsilon = spec.epsilon

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        log_probability = of_target(logits.log_softmax(dim=-1), targets)
        return -log_probability + self.epsilon * (1 - log_probability.exp())


@implements(SparsemaxSpec)
class SparsemaxLoss(Loss):
    """The loss whose gradient is sparsemax minus the target (Martins and Astudillo 2016, eq. 15)."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] probabilities, many of them 0."""
        return sparsemax(logits)

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        probabilities = sparsemax(logits).detach()
        entropy = (1 - probabilities.square().sum(dim=-1)) / 2
        return entropy + (probabilities * logits).sum(dim=-1) - of_target(logits, targets)


@implements(Entmax15Spec)
class Entmax15Loss(Loss):
    """The loss whose gradient is 1.5-entmax minus the target (Peters et al. 2019, eq. 11)."""

    def link(self, logits: Tensor) -> Tensor:
        """[..., K] -> [..., K] probabilities, some of them 0."""
        return entmax15(logits)

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K], [N] -> [N]."""
        probabilities = entmax15(logits).detach()
        entropy = (1 - probabilities.pow(1.5).sum(dim=-1)) / 0.75
        return entropy + (probabilities * logits).sum(dim=-1) - of_target(logits, targets)


@implements(CornSpec)
class Corn(Loss):
    """Ordinal classes (Shi et al. 2021): logit k is that of "above class k, given not below it".

    The order is that of the numbers, where all classes are numbers, else that of the names.
    """

    rank: Tensor

    def __init__(self, spec: CornSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        ordered = sorted(range(shape.vocab_size), key=_order(shape.classes))
        self.register_buffer("rank", torch.tensor(ordered).argsort(), persistent=False)

    @property
    def num_logits(self) -> int:
        """One less than there are classes."""
        return self.shape.vocab_size - 1

    def weights(self, targets: Tensor) -> Tensor | None:
        """[N] the number of logits that a row speaks of; 0 for unknown targets."""
        ranks = self.rank[targets.clamp_min(0).long()]
        return (ranks + 1).clamp_max(self.num_logits) * (targets >= 0).to(torch.float32)

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N, K - 1], [N] -> [N], the mean of the cross entropies of the logits that a row speaks of."""
        ranks = self.rank[targets.clamp_min(0).long()].unsqueeze(-1)
        thresholds = torch.arange(self.num_logits, device=logits.device)
        is_above = (ranks > thresholds).to(logits.dtype)
        speaks = (ranks >= thresholds).to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, is_above, reduction="none")
        return (each * speaks).sum(dim=-1) / speaks.sum(dim=-1)

    def link(self, logits: Tensor) -> Tensor:
        """[..., K - 1] -> [..., K] probabilities of the classes in the order of their codes."""
        # A sum of logarithms, not a product: ONNX has no cumulative product.
        above = F.logsigmoid(logits).cumsum(dim=-1).exp()
        ones, zeros = torch.ones_like(above[..., :1]), torch.zeros_like(above[..., :1])
        by_rank = torch.cat([ones, above], dim=-1) - torch.cat([above, zeros], dim=-1)
        return by_rank[..., self.rank]


def _order(classes: tuple[str, ...]) -> Callable[[int], tuple[float, str]]:
    try:
        numbers = [float(name) for name in classes]
    except ValueError:
        numbers = [0.0] * len(classes)
    return lambda code: (numbers[code], classes[code])


def _class_weights(spec: SoftmaxCrossEntropySpec, shape: Shape) -> Tensor | None:
    """[K] weights in the order of the codes; None where all classes count alike."""
    if spec.class_weights != "balanced":
        return given_class_weights(spec.class_weights, shape.classes)
    counts = torch.tensor(shape.class_counts, dtype=torch.float64).clamp_min(1)
    return (counts.sum() / (len(counts) * counts)).float()


def _soft_targets(spec: SoftmaxCrossEntropySpec, shape: Shape) -> Tensor | None:
    """[K, K] the distribution that stands for each class; None where the target stands for itself.

    Raises:
        ConfigError: the similarities are no matrix of K x K.
    """
    given, size = spec.class_similarities, shape.vocab_size
    if given is None:
        return None
    if [len(row) for row in given] != [size] * size:
        found = f"{len(given)} rows of {listing(sorted({str(len(row)) for row in given}))}"
        raise ConfigError(
            Problem("loss.class_similarities", f"found {found}", f"{size} x {size}, for {listing(shape.classes)}")
        )
    if not spec.class_similarities_temperature:
        return None
    return (torch.tensor(given, dtype=torch.float32) / spec.class_similarities_temperature).softmax(dim=-1)
