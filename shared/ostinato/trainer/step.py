"""One step of training: forward, backward, limits on the gradient, new weights."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.errors import ConfigError, Problem
from ostinato.model.ecd import ECD
from ostinato.trainer.loss_scale import LossScale
from ostinato.trainer.optimizer import build_optimizer, layer_weights
from ostinato.trainer.pieces import pieces
from ostinato.trainer.processes import Processes
from ostinato.trainer.rows import Batch
from ostinato.trainer.sharing import data_parallel, is_fsdp
from ostinato.trainer.spec import GradientClippingSpec, TrainerSpec


class Stepper:
    """Changes the weights of a model batch by batch."""

    def __init__(self, model: ECD, spec: TrainerSpec, rate: float, processes: Processes, sample: Batch) -> None:
        self._model = model
        self._spec = spec
        self._processes = processes
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._matrices = layer_weights(model)
        self._optimizer = build_optimizer(spec.optimizer, model, rate)
        self._precision = precision(spec.use_mixed_precision, processes.device)
        self._scale = LossScale() if self._precision is torch.float16 else None
        shared: nn.Module = model
        if processes.size > 1 and not is_fsdp(model):
            shared = data_parallel(model, processes, sample)
        self._shared = shared
        self._network = torch.compile(shared) if spec.compile else shared
        self._is_compiled = False
        # On a GPU the host would have to wait for it, and each size is compiled anew.
        self._paddings = {} if processes.device.type != "cpu" or spec.compile else model.paddings
        self._window: list[tuple[Batch, int]] = []
        self.most_rows: int | None = None
        """Rows of a process that are worked on at once; None for a whole batch."""

    def state(self) -> dict[str, Any]:
        """What the next steps depend on, besides the weights."""
        scale = None if self._scale is None else [self._scale.factor, self._scale.good]
        return {"optimizer": self._optimizer.state(), "scale": scale, "most_rows": self.most_rows}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self._optimizer.load(state["optimizer"])
        self.most_rows = state["most_rows"]
        if state["scale"] is not None:
            self._scale = LossScale(*state["scale"])

    def losses(self, batch: Batch, shares: Tensor | None = None, part: float = 1.0) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the losses with the combiner's penalty, and each output's own; of all processes' rows.

        Where the batch is part of another, `shares` [O] is what the loss of each output is multiplied by, and `part`
        its share of the rows, which the penalty is multiplied by.
        """
        kind = self._processes.device.type
        with torch.autocast(kind, self._precision, enabled=self._precision is not None):
            logits = self._forward(batch)
        sum_up = self._processes.sum_up if self._processes.size > 1 else None
        losses = self._model.losses(logits, batch, sum_up)
        if shares is not None:
            losses = {name: loss * share for (name, loss), share in zip(losses.items(), shares, strict=True)}
        total, penalty = self._model.total_loss(losses), self._model.combiner.penalty
        if penalty is None:
            return total, losses
        if sum_up is not None:
            penalty = sum_up(penalty) / self._processes.size
        return total + part * penalty, losses

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

    def accumulate(self, batch: Batch, num_batches: int, num_rows: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of a batch, one of `num_batches` of an update; gives the losses, not differentiable.

        A batch of more than `most_rows` is worked on in parts; so is one whose activations do not fit into the memory
        of a GPU, in halves, quarters and so on. `num_rows` are those of all processes.

        Raises:
            ConfigError: not even a single row fits.
        """
        if not self._window:
            self._clear_gradients()
        while True:
            try:
                found = self._backward(batch, num_rows, num_batches, len(self._window) == num_batches - 1)
            except torch.OutOfMemoryError as error:
                self._halve(batch, error)
            else:
                self._window.append((batch, num_rows))
                return found

    def _halve(self, batch: Batch, error: torch.OutOfMemoryError) -> None:
        most = min(_length(batch), self.most_rows or _length(batch))
        # The gradient of the batch is half there, and so would be that of other processes.
        if self._processes.size > 1 or self._window or most == 1:
            hint = (
                "a smaller trainer.batch_size (with gradient_accumulation_steps), enable_gradient_checkpointing: true"
            )
            raise ConfigError(Problem("trainer", "the memory of the GPU is too small for a step", hint=hint)) from error
        self.most_rows = -(-most // 2)
        self._clear_gradients()
        torch.cuda.empty_cache()

    def _backward(
        self, batch: Batch, num_rows: int, num_batches: int, is_exchanged: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of a batch, which is exchanged with other processes if it is the last one of an update."""
        # Every process must find as many parts.
        local_rows = -(-num_rows // self._processes.size)
        count = 1 if self.most_rows is None else -(-local_rows // self.most_rows)
        parts = pieces(batch, count, self._paddings)
        shares = self._shares(parts)
        found: list[tuple[Tensor, dict[str, Tensor]]] = []
        for number, piece in enumerate(parts):
            with self._gradients_stay_here(not (is_exchanged and number == len(parts) - 1)):
                part = _length(piece) / max(1, _length(batch))
                total, losses = self.losses(piece, None if shares is None else shares[number], part)
                objective = self._objective(total, 1 / num_batches, is_penalized=number == 0)
                objective.backward()  # type: ignore[no-untyped-call]
            found.append((total.detach(), {name: loss.detach() for name, loss in losses.items()}))
        if len(found) == 1:
            return found[0]
        names = found[0][1]
        total = torch.stack([one for one, _ in found]).sum()
        return total, {name: torch.stack([losses[name] for _, losses in found]).sum() for name in names}

    def _shares(self, parts: list[Batch]) -> Tensor | None:
        """[P, O] what each part counts in the loss of each output; None for a batch in one part."""
        if len(parts) == 1:
            return None
        weights = torch.stack([self._model.total_weights(part) for part in parts])
        if self._processes.size > 1:
            weights = self._processes.sum_up(weights)
        return weights / weights.sum(dim=0).clamp_min(torch.finfo(weights.dtype).tiny)

    def _gradients_stay_here(self, wanted: bool) -> contextlib.AbstractContextManager[None]:
        """Leaves out the exchange of gradients, which is wanted once an update only."""
        if wanted and isinstance(self._shared, torch.nn.parallel.DistributedDataParallel):
            stays: contextlib.AbstractContextManager[None] = self._shared.no_sync()
            return stays
        return contextlib.nullcontext()

    def update(self, learning_rate: float) -> None:
        """New weights by the gradients gathered since the last update."""
        window, self._window = self._window, []
        if self._scale is not None and not self._scale.undo(self._parameters, self._processes):
            return
        clip_gradients(self._parameters, self._spec.gradient_clipping)
        self._optimizer.set_learning_rate(learning_rate)

        def again() -> float:
            self._clear_gradients()
            sum_of_losses = 0.0
            for batch, num_rows in window:
                sum_of_losses += float(self._backward(batch, num_rows, len(window), True)[0]) / len(window)
            if self._scale is not None:
                self._scale.undo(self._parameters, self._processes)
            clip_gradients(self._parameters, self._spec.gradient_clipping)
            penalty = self._penalty()
            return sum_of_losses if penalty is None else sum_of_losses + float(penalty.detach())

        self._optimizer.step(again)

    def _clear_gradients(self) -> None:
        # `Module.zero_grad` looks for the parameters anew each time.
        for parameter in self._parameters:
            parameter.grad = None

    def _objective(self, total: Tensor, weight: float, *, is_penalized: bool) -> Tensor:
        """What is differentiated: the loss and, once a batch, the penalty on the weights."""
        # Gradients are averaged over the processes, and each has that of its own rows only.
        objective = total * self._processes.size if self._processes.size > 1 else total
        penalty = self._penalty() if is_penalized else None
        if penalty is not None:
            objective = objective + penalty
        if self._scale is not None:
            weight *= self._scale.factor
        return objective if weight == 1 else objective * weight

    def _penalty(self) -> Tensor | None:
        """What regularization adds to the loss; None where there is none."""
        strength, kind = self._spec.regularization_lambda, self._spec.regularization_type
        if not strength or kind is None:
            return None
        penalties = []
        if kind in ("l1", "l1_l2"):
            penalties += [weight.abs().sum() for weight in self._matrices]
        if kind in ("l2", "l1_l2"):
            penalties += [weight.square().sum() for weight in self._matrices]
        return strength * torch.stack(penalties).sum() if penalties else None


def precision(wanted: bool | str, device: torch.device) -> torch.dtype | None:
    """The type that is computed in where that is safe; None for float32. `True`: bfloat16 where the GPU has it."""
    if wanted is False:
        return None
    if wanted is True:
        has_bfloat16 = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float16
    return torch.bfloat16 if wanted == "bfloat16" else torch.float16


def _length(batch: Batch) -> int:
    return len(next(iter(batch.values())))


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
