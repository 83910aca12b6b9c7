"""The training loop: epochs of steps, evaluations between them, the best weights at the end.

A *step* is one batch; gradients of `gradient_accumulation_steps` of them make an update. An *evaluation* happens once
an epoch unless the config asks for another rhythm.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from ostinato.column import Fitted
from ostinato.config import Config
from ostinato.errors import ConfigError, Problem
from ostinato.metrics.spec import COMBINED, LOSS, canonical, objective
from ostinato.model.ecd import ECD
from ostinato.resources import return_freed_memory
from ostinato.trainer.agreement import Agreement
from ostinato.trainer.batch_size import BatchPlan, activation_bytes, part_rows, plan_batches
from ostinato.trainer.checkpoint import Checkpoints
from ostinato.trainer.decision import Decision, State
from ostinato.trainer.device import random_state, restore_random_state, suitable_threads, threads
from ostinato.trainer.evaluation import Evaluator, Stopped
from ostinato.trainer.history import History, Metrics
from ostinato.trainer.interruption import Interruption
from ostinato.trainer.optimizer import local
from ostinato.trainer.plateau import LEAST_IMPROVEMENT, Plateau, Reaction, patience
from ostinato.trainer.processes import ALONE, Processes
from ostinato.trainer.progress import Line, Plan, Progress
from ostinato.trainer.range_test import find_learning_rate
from ostinato.trainer.recompute import recompute_activations
from ostinato.trainer.rows import Batch, Rows
from ostinato.trainer.running import RunningLoss, Speed
from ostinato.trainer.schedule import learning_rate
from ostinato.trainer.sharing import fully_shared
from ostinato.trainer.spec import TrainerSpec
from ostinato.trainer.step import Stepper, check_finite, freeze

Weights = dict[str, Tensor]

_SAMPLE = 64
"""Rows by which the memory of a batch is estimated."""
_CHECK_EVERY = 50
"""Steps between looks at the loss on a GPU, where each look waits for the device."""


class Trainer:
    """Trains a model. The same seed and machine give the same weights to the last bit, interrupted or not."""

    def __init__(
        self,
        model: ECD,
        config: Config,
        fitted: Mapping[str, Fitted],
        *,
        training: Rows,
        validation: Rows,
        seed: int,
        progress: Progress,
        processes: Processes = ALONE,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`model` lies on the device of `processes`."""
        self.model = model
        self.config = config
        self.fitted = fitted
        self.processes = processes
        self.state = State()
        self.history = History()
        self._spec: TrainerSpec = config.trainer
        self.training, self.validation = training, validation
        self._progress = progress
        self.checkpoints = checkpoints
        self.keep: Callable[[ECD], None] = lambda model: None
        """Called when the model is the best so far."""
        self._order = torch.Generator().manual_seed(seed)
        self._order_of_epoch = self._order.get_state()
        freeze(model, self._spec.layers_to_freeze_regex)
        sample = training.sample(_SAMPLE)
        row_bytes = self._activation_bytes(sample)
        self.batches: BatchPlan = plan_batches(self._spec, len(training), row_bytes, self.processes)
        self.learning_rate = self._base_rate(seed)
        """Size of a step before any schedule."""
        if self._spec.enable_gradient_checkpointing:
            recompute_activations(model)
        if self.processes.size > 1 and config.backend.trainer.strategy == "fsdp":
            fully_shared(model)
        self._stepper = Stepper(model, self._spec, self.learning_rate, self.processes, sample)
        if self._works_in_parts():
            self._stepper.most_rows = part_rows(row_bytes)
        local_bytes = row_bytes * self.batches.batch_size // self.processes.size
        self._threads = suitable_threads(local_bytes, self.processes.local_size)
        self._batch_size = self._next_batch_size = self.batches.batch_size
        self._interruption = Interruption()
        self._agreement = Agreement(self.processes, checkpoints)
        self.evaluator = Evaluator(
            config, fitted, self.batches.eval_batch_size, self._spec.eval_steps, self.processes, self._is_stopped_now
        )
        self.decision = Decision.of(config, len(validation))
        self._best = self._plateau_of(self.decision.metric)
        self._best_weights: Weights | None = None
        self._rate_factor = 1.0
        self._position = 0
        """Batches of this epoch that are done."""
        self._owes_evaluation = False
        self._running = RunningLoss()
        self.speed = Speed()
        scheduler = self._spec.learning_rate_scheduler
        self._lower_rate = Reaction(
            Plateau(objective(scheduler.reduce_eval_metric)),
            scheduler.reduce_on_plateau_patience,
            scheduler.reduce_on_plateau,
        )
        self._raise_batch = Reaction(
            Plateau(objective(self._spec.increase_batch_size_eval_metric)),
            self._spec.increase_batch_size_on_plateau_patience,
            self._spec.increase_batch_size_on_plateau,
        )
        self._total = self.total_steps

    def _works_in_parts(self) -> bool:
        """Whether steps are done part by part on the CPU. A compiled network would be compiled for each size."""
        is_fsdp = self.processes.size > 1 and self.config.backend.trainer.strategy == "fsdp"
        return self.processes.device.type == "cpu" and self.model.adds_up and not (is_fsdp or self._spec.compile)

    @property
    def has_model(self) -> bool:
        """Whether the model is worth keeping: it was the best at some evaluation, or none is wanted."""
        return self._best_weights is not None or (self._spec.skip_all_evaluation and self.state.best_step > 0)

    @property
    def num_parameters(self) -> int:
        """Parameters that learn."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over the training rows."""
        return self.training.num_batches(self._batch_size)

    @property
    def steps_per_evaluation(self) -> int:
        """Batches between two evaluations."""
        if self._spec.steps_per_checkpoint:
            return self._spec.steps_per_checkpoint
        return math.ceil(self.steps_per_epoch / max(1, self._spec.checkpoints_per_epoch))

    @property
    def total_steps(self) -> int:
        """Most steps; early stopping may end training before."""
        if self._spec.train_steps is not None:
            return self._spec.train_steps
        return self.state.step + (self._spec.epochs - self.state.epoch) * self.steps_per_epoch

    def train(self, interruption: Interruption) -> None:
        """Trains until the config's end, early stopping or an interruption; the model then has the best weights.

        Raises:
            ConfigError: the loss became infinite or not a number.
        """
        self._interruption = interruption
        if self._position == 0:
            self._total = self.total_steps
        self._progress.start(self._plan())
        if not len(self.validation) and not self._spec.skip_all_evaluation and not self.state.step:
            self._warn(
                "there are no validation rows: the best model is the one with the best training metric, "
                "and nothing tells when it learns the training rows by heart"
            )
        with threads(self._threads):
            try:
                while not self.state.stopped:
                    self.epoch()
                # A checkpoint needs less than the steps did.
                return_freed_memory()
                self._save()
            finally:
                # After a divergence too: what is left is the best model, not the broken one.
                if self._best_weights is not None:
                    self.model.load_state_dict(self._best_weights)
                self.model.eval()
            if not self.state.is_interrupted:
                self._calibrate()

    def epoch(self) -> None:
        """A pass over the training rows, or what is left of it."""
        state, num_batches = self.state, self.steps_per_epoch
        if self._position == 0:
            self._order_of_epoch = self._order.get_state()
        self._stop_at_the_end()
        if self._owes_evaluation:
            self._evaluate(self._position)
        if state.stopped:
            return
        self.model.train()
        order = self._order if self._spec.should_shuffle else None
        for batch in self.speed.waited_for(self.training.batches(self._batch_size, order, self._position)):
            self._step(batch, self._position, num_batches)
            self._position += 1
            is_last = self._position == num_batches
            state.epoch += is_last
            self._stop_at_the_end()
            self._owes_evaluation = self._is_evaluation_due(self._position, is_last)
            if self._position % self.batches.accumulation == 0 or is_last:
                self._agree()
            if self._owes_evaluation and not state.is_interrupted:
                self._evaluate(self._position)
                self.model.train()
            if state.stopped:
                return
        self._position = 0
        # Only here, because the order of an epoch is drawn for one size of batch.
        if self._next_batch_size != self._batch_size:
            self._batch_size = self._next_batch_size
            self._total = self.total_steps

    def _stop_at_the_end(self) -> None:
        if self.state.step >= self._total and not self.state.stopped:
            self.state.stopped = "train_steps" if self._spec.train_steps is not None else "epochs"

    def _agree(self) -> None:
        """Whether to stop now, and whether to write a checkpoint: all processes at the same step."""
        found = self._agreement.at(self.state.step, bool(self._interruption))
        if found.is_stopped:
            self.state.stopped = "interrupted"
        elif found.is_checkpoint_due:
            self._save()

    def _is_stopped_now(self) -> bool:
        self._progress.step(self.state.step)
        return self._agreement.now(bool(self._interruption))

    def _save(self) -> None:
        if self.checkpoints is not None:
            self.checkpoints.write(self.state.step, self._progress_so_far())

    def _progress_so_far(self) -> dict[str, Any]:
        """All that what comes next depends on."""
        weights = {name: local(tensor) for name, tensor in self.model.state_dict().items()}
        best = self._best_weights
        return {
            "model": weights,
            "best": None if best is None else {name: local(tensor) for name, tensor in best.items()},
            "stepper": self._stepper.state(),
            "state": asdict(self.state) | {"stopped": "" if self.state.is_interrupted else self.state.stopped},
            "history": asdict(self.history),
            "decision": asdict(self.decision),
            "plateaus": [asdict(plateau) for plateau in self._plateaus()],
            "reactions": [self._lower_rate.times, self._raise_batch.times],
            "learning_rate": [self.learning_rate, self._rate_factor],
            "batch_size": [self._batch_size, self._next_batch_size],
            "position": [self._position, self._owes_evaluation, self._total],
            "running": self._running.state(),
            "order": self._order_of_epoch,
            "random": random_state(self.processes.device),
        }

    def resume(self) -> int:
        """Goes on from the last checkpoint; gives its step, 0 where there is none."""
        if self.checkpoints is None:
            return 0
        step = self._agreement.common(self.checkpoints.steps())
        while step is not None:
            saved = self.checkpoints.read(step)
            if not self._agreement.now(saved is None) and saved is not None:
                self._go_on_from(saved)
                return step
            # A file that is damaged on one process is of no use to the others.
            step = self._agreement.common([older for older in self.checkpoints.steps() if older < step])
        return 0

    def _go_on_from(self, saved: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                local(tensor).copy_(saved["model"][name])
            if saved["best"] is not None:
                self._best_weights = _copied(self.model)
                for name, tensor in self._best_weights.items():
                    local(tensor).copy_(saved["best"][name])
        self._stepper.load(saved["stepper"])
        self.state = State(**saved["state"])
        self.history = History(**saved["history"])
        self.decision = Decision(**saved["decision"])
        self._best = self._plateau_of(self.decision.metric)
        for plateau, values in zip(self._plateaus(), saved["plateaus"], strict=True):
            vars(plateau).update(values)
        self._lower_rate.times, self._raise_batch.times = saved["reactions"]
        self.learning_rate, self._rate_factor = saved["learning_rate"]
        self._batch_size, self._next_batch_size = saved["batch_size"]
        self._position, self._owes_evaluation, self._total = saved["position"]
        self._running.load(saved["running"], self.processes.device)
        self._order_of_epoch = saved["order"]
        self._order.set_state(self._order_of_epoch)
        restore_random_state(saved["random"], self.processes.device)

    def _plateaus(self) -> tuple[Plateau, Plateau, Plateau]:
        return self._best, self._lower_rate.plateau, self._raise_batch.plateau

    def _step(self, batch: Batch, number: int, num_batches: int) -> None:
        state, window = self.state, self.batches.accumulation
        first = number - number % window
        num_rows = self.training.batch_rows(self._batch_size, number)
        total, losses = self._stepper.accumulate(batch, min(window, num_batches - first), num_rows)
        self._running.add(total, losses, num_rows)
        self.speed.rows += num_rows
        rate = self._rate()
        if self.processes.device.type == "cpu" or state.step % _CHECK_EVERY == 0:
            check_finite(float(total), state.step, rate)
        if (number + 1) % window == 0 or number + 1 == num_batches:
            self._stepper.update(rate)
        state.step += 1
        self._progress.step(state.step)

    def _rate(self) -> float:
        rate = learning_rate(
            self._spec.learning_rate_scheduler,
            self.learning_rate,
            self.state.step,
            self._total,
            self.steps_per_evaluation,
        )
        return rate * self._rate_factor

    def _base_rate(self, seed: int) -> float:
        """The rate of the config, scaled by the processes where each has a batch of its own; or one that is found."""
        wanted = self._spec.learning_rate
        if isinstance(wanted, str):
            found = find_learning_rate(
                self.model,
                self.config,
                self.training,
                self.batches.batch_size,
                seed=seed,
                processes=self.processes,
            )
            self._note(f"learning rate by a range test: {found:.2g}")
            return found
        grown = self.batches.grown
        return (
            wanted
            * {"constant": 1.0, "sqrt": math.sqrt(grown), "linear": float(grown)}[self._spec.learning_rate_scaling]
        )

    def _is_evaluation_due(self, number: int, is_last: bool) -> bool:
        if self.state.stopped:
            return True
        if self._spec.steps_per_checkpoint:
            return self.state.step % self._spec.steps_per_checkpoint == 0
        return is_last or (self._spec.checkpoints_per_epoch > 0 and number % self.steps_per_evaluation == 0)

    def _evaluate(self, number: int) -> None:
        state = self.state
        training = self._running.metrics()
        rows_per_s = self._running.rows_per_s()
        check_finite(training[COMBINED][LOSS], state.step, self._rate())
        started = time.monotonic()
        try:
            validation: Metrics = {}
            if not self._spec.skip_all_evaluation:
                validation = self._metrics(self.validation)
                if self._needs_training_metrics():
                    training = self._metrics(self.training)
        except Stopped:
            state.stopped = "interrupted"
            return
        self._owes_evaluation = False
        self.history.append(state.step, self._rate(), training, validation)
        is_best = self._judge(training, validation, number)
        self._react(training, validation)
        self.speed.evaluated_s += time.monotonic() - started
        self._progress.evaluation(
            Line(
                epoch=self._epochs_done(number),
                step=state.step,
                training_loss=training[COMBINED][LOSS],
                validation=self._shown(validation),
                learning_rate=self._rate(),
                rows_per_s=rows_per_s,
                is_best=is_best,
            )
        )
        self._running = RunningLoss()

    def _metrics(self, rows: Rows) -> Metrics:
        """Metrics on some rows; in smaller batches where the memory of a GPU does not hold them."""
        while True:
            try:
                return self.evaluator.evaluate(self.model, rows)
            except torch.OutOfMemoryError as error:
                smaller = self.evaluator.batch_size // 2
                if not smaller or self.processes.size > 1:
                    hint = "set a smaller trainer.eval_batch_size"
                    message = "the memory of the GPU is too small to evaluate a batch"
                    raise ConfigError(Problem("trainer", message, hint=hint)) from error
                self.evaluator = replace(self.evaluator, batch_size=smaller)
                torch.cuda.empty_cache()

    def _needs_training_metrics(self) -> bool:
        scheduler = self._spec.learning_rate_scheduler
        watched = []
        if scheduler.reduce_on_plateau and scheduler.reduce_eval_split == "training":
            watched.append(scheduler.reduce_eval_metric)
        if self._spec.increase_batch_size_on_plateau and self._spec.increase_batch_size_eval_split == "training":
            watched.append(self._spec.increase_batch_size_eval_metric)
        if self.decision.split == "training":
            watched.append(self.decision.metric)
        return self._spec.evaluate_training_set or any(metric != LOSS for metric in watched)

    def _judge(self, training: Metrics, validation: Metrics, number: int) -> bool:
        """Keeps the weights where they are the best so far; stops where they have not been for too long."""
        state = self.state
        if self._spec.skip_all_evaluation:
            self._record(training, None, number)
            return False
        metrics = validation if self.decision.split == "validation" else training
        value = self.decision.value(metrics)
        if value is None and self._best.best is None:
            self._fall_back(metrics)
            value = self.decision.value(metrics)
        is_best = self._best.update(value)
        if is_best:
            self._best_weights = _copied(self.model)
            self._record(metrics, value, number)
        most = patience(self._spec.early_stop, self.steps_per_evaluation)
        if most is not None and self._best.waited >= most and not state.stopped:
            state.stopped = "early_stop"
        return is_best

    def _record(self, metrics: Metrics, value: float | None, number: int) -> None:
        state = self.state
        state.best_step, state.best_epoch = state.step, self._epochs_done(number)
        state.best_value, state.best_metrics = value, metrics
        # Of a model on several processes every one would have to take part, and each has its own clock.
        if self.processes.size == 1:
            self.keep(self.model)

    def _fall_back(self, metrics: Metrics) -> None:
        """Another number to decide, where the wanted one can't be computed: one class among the validation rows."""
        wanted = self.decision
        self.decision = Decision(COMBINED, LOSS, wanted.split)
        self._best = self._plateau_of(LOSS)
        if wanted.metric != LOSS:
            self._warn(f"{wanted} is not defined for these rows; the loss decides on the best model instead")

    def _plateau_of(self, metric: str) -> Plateau:
        least = LEAST_IMPROVEMENT if self._spec.early_stop == "auto" else 0.0
        return Plateau(objective(metric), least=least)

    def _warn(self, text: str) -> None:
        self.state.warnings.append(text)
        self._progress.note(text)

    def _note(self, text: str) -> None:
        self._progress.note(text)

    def _react(self, training: Metrics, validation: Metrics) -> None:
        """Lowers the learning rate and raises the batch size where the metric no longer improves."""
        scheduler, spec = self._spec.learning_rate_scheduler, self._spec
        output = self.decision.output
        both = {"training": training, "validation": validation or training}

        def watched(split: str, metric: str) -> float | None:
            return both[split].get(output, both[split].get(COMBINED, {})).get(canonical(metric))

        if self._lower_rate.due(watched(scheduler.reduce_eval_split, scheduler.reduce_eval_metric)):
            self._rate_factor *= scheduler.reduce_on_plateau_rate
            self._note(f"no improvement: the learning rate falls to {self._rate():.3g}")
        if self._raise_batch.due(watched(spec.increase_batch_size_eval_split, spec.increase_batch_size_eval_metric)):
            most = min(spec.max_batch_size or len(self.training), len(self.training))
            self._next_batch_size = min(
                max(self._batch_size, round(self._batch_size * spec.increase_batch_size_on_plateau_rate)), most
            )
            self._note(f"no improvement: the batch size grows to {self._next_batch_size}")

    def _calibrate(self) -> None:
        wanted = any(getattr(output, "calibration", False) for output in self.config.output_features)
        if wanted and len(self.validation):
            self.model.calibrate(*self.evaluator.logits(self.model, self.validation))

    def _epochs_done(self, number: int) -> float:
        done = number / self.steps_per_epoch
        return self.state.epoch if done >= 1 else round(self.state.epoch + done, 2)

    def _shown(self, validation: Metrics) -> dict[str, float]:
        """The metric that decides and the loss, for a line of the log."""
        names = [(self.decision.output, self.decision.metric), (COMBINED, LOSS)]
        shown = {}
        for output, metric in names:
            value = validation.get(output, {}).get(metric)
            if value is not None:
                shown["validation loss" if metric == LOSS else f"validation {metric}"] = value
        return shown

    def _activation_bytes(self, sample: Batch) -> int:
        self.model.eval()

        def loss() -> Tensor:
            return self.model.total_loss(self.model.losses(self.model(sample), sample))

        return activation_bytes(self.model, loss, min(_SAMPLE, len(self.training)))

    def _plan(self) -> Plan:
        return Plan(
            num_rows=len(self.training),
            num_validation_rows=len(self.validation),
            num_parameters=self.num_parameters,
            batch_size=self._batch_size,
            total_steps=self._total,
            steps_per_epoch=self.steps_per_epoch,
            device=str(self.processes.device),
            num_processes=self.processes.size,
            metric=str(self.decision),
        )


def _copied(model: ECD) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
