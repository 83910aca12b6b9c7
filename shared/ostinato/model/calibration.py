"""Temperature scaling (Guo et al. 2017). N rows, K classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 1e-12
_BOUNDS = (0.05, 20.0)


def calibrated(scores: Tensor, temperature: Tensor) -> Tensor:
    """[N] probabilities of true or [N, K] of classes -> the same, flatter for a temperature above 1.

    Works on the scores, not on the logits: the mean over an ensemble keeps its most probable class, whatever the link.
    """
    if scores.ndim == 1:
        return torch.sigmoid(_log_odds(scores) / temperature)
    return (scores.clamp_min(_SMALLEST).log() / temperature).softmax(dim=-1)


def fit_temperature(scores: Tensor, targets: Tensor) -> float:
    """The temperature of least log loss on these rows; 1 where none is better or no row has a known target."""
    known = targets >= 0
    scores, targets = scores[known].double(), targets[known]
    if not len(targets):
        return 1.0
    if scores.ndim == 1:
        logits = _log_odds(scores)
        wanted = targets.double()

        def log_loss(log_temperature: Tensor) -> Tensor:
            return F.binary_cross_entropy_with_logits(logits / log_temperature.exp(), wanted)
    else:
        logits = scores.clamp_min(_SMALLEST).log()
        codes = targets.long()

        def log_loss(log_temperature: Tensor) -> Tensor:
            return F.cross_entropy(logits / log_temperature.exp(), codes)

    with torch.enable_grad():
        parameter = torch.zeros((), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([parameter], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> float:
            optimizer.zero_grad()
            loss = log_loss(parameter)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        fitted = parameter.exp().clamp(*_BOUNDS)
        is_better = torch.isfinite(fitted) and log_loss(fitted.log()) < log_loss(torch.zeros_like(fitted))
    return float(fitted) if is_better else 1.0


def _log_odds(scores: Tensor) -> Tensor:
    return torch.logit(scores, eps=1e-7)
