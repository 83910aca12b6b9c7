"""One step of training: forward, backward, limits on the gradient, new weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ostinato.errors import ConfigError, Problem
from ostinato.model.ecd import ECD
from ostinato.trainer.optimizer import build_optimizer, layer_weights
from ostinato.trainer.rows import Batch
from ostinato.trainer.spec import GradientClippingSpec, TrainerSpec


class Stepper:
    """Changes the weights of a model batch by batch."""

    def __init__(self, model: ECD, spec: TrainerSpec, device: torch.device) -> None:
        self._model = model
        self._spec = spec
        self._device = device
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._matrices = layer_weights(model)
        self._optimizer = build_optimizer(spec.optimizer, model, spec.learning_rate)
        self._network = torch.compile(model) if spec.compile else model
        self._is_compiled = False
        self._window: list[Batch] = []

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the losses, and each output's own."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._spec.use_mixed_precision):
            logits = self._forward(batch)
        losses = self._model.losses(logits, batch)
        return self._model.total_loss(losses), losses

    def _forward(self, batch: Batch) -> dict[str, Tensor]:
        if not self._spec.compile or self._is_compiled:
            logits: dict[str, Tensor] = self._network(batch)
            return logits
        try:
            logits = self._network(batch)
        except RuntimeError as error:
            # What the compiler raises derives from RuntimeError; the first line says what is missing.
            found = str(error).strip().partition("\n")[0]
            hint = "it needs a C++ compiler (g++) in the image; training works without it: compile: false"
            raise ConfigError(Problem("trainer.compile", f"torch.compile failed: {found}", hint=hint)) from error
        self._is_compiled = True
        return logits

    def accumulate(self, batch: Batch, num_batches: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of a batch, one of `num_batches` of an update; gives the losses, not differentiable."""
        if not self._window:
            self._clear_gradients()
        total, losses = self.losses(batch)
        objective = self._penalized(total)
        (objective if num_batches == 1 else objective / num_batches).backward()  # type: ignore[no-untyped-call]
        self._window.append(batch)
        return total.detach(), {name: loss.detach() for name, loss in losses.items()}

    def update(self, learning_rate: float) -> None:
        """New weights by the gradients gathered since the last update."""
        window, self._window = self._window, []
        clip_gradients(self._parameters, self._spec.gradient_clipping)
        self._optimizer.set_learning_rate(learning_rate)

        def again() -> float:
            self._clear_gradients()
            sum_of_losses = 0.0
            for batch in window:
                objective = self._penalized(self.losses(batch)[0]) / len(window)
                objective.backward()  # type: ignore[no-untyped-call]
                sum_of_losses += float(objective.detach())
            clip_gradients(self._parameters, self._spec.gradient_clipping)
            return sum_of_losses

        self._optimizer.step(again)

    def _clear_gradients(self) -> None:
        # `Module.zero_grad` looks for the parameters anew each time.
        for parameter in self._parameters:
            parameter.grad = None

    def _penalized(self, total: Tensor) -> Tensor:
        strength, kind = self._spec.regularization_lambda, self._spec.regularization_type
        if not strength or kind is None:
            return total
        penalties = []
        if kind in ("l1", "l1_l2"):
            penalties += [weight.abs().sum() for weight in self._matrices]
        if kind in ("l2", "l1_l2"):
            penalties += [weight.square().sum() for weight in self._matrices]
        return total + strength * torch.stack(penalties).sum() if penalties else total


def clip_gradients(parameters: list[torch.nn.Parameter], spec: GradientClippingSpec) -> None:
    """Limits that are set, in this order: the norm of all, the norm of each, each element."""
    used = [parameter for parameter in parameters if parameter.grad is not None]
    if not used:
        return
    if spec.clipglobalnorm is not None:
        torch.nn.utils.clip_grad_norm_(used, spec.clipglobalnorm, foreach=True)
    if spec.clipnorm is not None:
        for parameter in used:
            torch.nn.utils.clip_grad_norm_(parameter, spec.clipnorm)
    if spec.clipvalue is not None:
        torch.nn.utils.clip_grad_value_(used, spec.clipvalue)


def freeze(model: ECD, pattern: str | None) -> int:
    """Stops the parameters whose name matches from learning; gives their number.

    Raises:
        ConfigError: no name matches, or nothing is left to learn.
    """
    where = "trainer.layers_to_freeze_regex"
    if pattern is None:
        return 0
    expression = re.compile(pattern)
    parameters: Mapping[str, torch.nn.Parameter] = dict(model.named_parameters())
    frozen = [name for name in parameters if expression.search(name)]
    for name in frozen:
        parameters[name].requires_grad_(False)
    names = ", ".join(list(parameters)[:20])
    if not frozen:
        raise ConfigError(Problem(where, f"{pattern!r} matches no parameter", hint=f"there are {names}"))
    if len(frozen) == len(parameters):
        raise ConfigError(Problem(where, f"{pattern!r} matches every parameter, so that nothing learns"))
    return len(frozen)


def check_finite(loss: float, step: int, learning_rate: float) -> None:
    """Stops training that has diverged.

    Raises:
        ConfigError: the loss is infinite or not a number.
    """
    if not math.isfinite(loss):
        raise ConfigError(
            Problem(
                "trainer",
                f"training diverged: the loss is {loss} at step {step} (learning rate {learning_rate:g})",
                hint="try a smaller trainer.learning_rate; look for outliers in number features (preprocessing: "
                "outlier_strategy, normalization); lower trainer.gradient_clipping. The best model so far was kept.",
            )
        )
