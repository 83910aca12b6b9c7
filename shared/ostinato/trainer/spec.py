"""How a model is trained: the section `trainer`."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Strict, model_validator

from ostinato.registry import OneOf, Registry
from ostinato.spec import (
    Betas,
    NonNegative,
    NonNegativeInt,
    Pending,
    PendingFalse,
    PendingNull,
    Positive,
    PositiveInt,
    Probability,
    Spec,
    clash,
)

OPTIMIZERS = Registry("optimizer", pending={"": frozenset({
    "schedule_free_adamw", "soap", "sgd_8bit", "adam_8bit", "paged_adam", "paged_adam_8bit", "adamw_8bit",
    "paged_adamw", "paged_adamw_8bit", "adagrad_8bit", "rmsprop_8bit", "lamb", "lamb_8bit", "lars", "lars_8bit",
    "lion", "lion_8bit", "paged_lion", "paged_lion_8bit",
})})  # fmt: skip


class OptimizerSpec(Spec):
    """What every optimizer can be told; the parameters are those of `torch.optim`."""

    type: str
    """Name of the optimizer."""


class WeightDecaySpec(OptimizerSpec):
    """An optimizer with weight decay."""

    weight_decay: NonNegative = 0.0
    """L2 penalty on the weights of layers, not on embeddings and biases (decoupled in adamw, nadam, radam and muon)."""


class AdamLikeSpec(WeightDecaySpec):
    """An optimizer with two moments."""

    betas: Betas = (0.9, 0.999)
    """Decay of the first and second moment."""
    eps: Positive = 1e-8
    """Added to the denominator."""


@OPTIMIZERS.register("sgd")
class SGDSpec(WeightDecaySpec):
    """Stochastic gradient descent."""

    type: Literal["sgd"] = "sgd"
    momentum: NonNegative = 0.0
    """Momentum."""
    dampening: NonNegative = 0.0
    """Dampening of the momentum."""
    nesterov: bool = False
    """Nesterov momentum; needs momentum above 0 and no dampening."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGDSpec:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise clash("nesterov", "'nesterov' needs a momentum above 0 and a dampening of 0")
        return self


@OPTIMIZERS.register("lbfgs")
class LBFGSSpec(OptimizerSpec):
    """Limited-memory BFGS; wants large batches."""

    type: Literal["lbfgs"] = "lbfgs"
    max_iter: PositiveInt = 20
    """Iterations a step."""
    max_eval: PositiveInt | None = None
    """Evaluations a step; null for 1.25 x max_iter."""
    tolerance_grad: NonNegative = 1e-7
    """Stops a step below this gradient."""
    tolerance_change: NonNegative = 1e-9
    """Stops a step below this change."""
    history_size: PositiveInt = 100
    """Updates kept."""
    line_search_fn: Literal["strong_wolfe"] | None = None
    """Line search."""


@OPTIMIZERS.register("adam")
class AdamSpec(AdamLikeSpec):
    """Adam (Kingma and Ba 2015)."""

    type: Literal["adam"] = "adam"
    amsgrad: bool = False
    """The AMSGrad variant."""


@OPTIMIZERS.register("adamw")
class AdamWSpec(AdamLikeSpec):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    type: Literal["adamw"] = "adamw"
    weight_decay: NonNegative = 0.1
    """Share of the learning rate by which each step shrinks the weights of layers."""
    amsgrad: bool = False
    """The AMSGrad variant."""


@OPTIMIZERS.register("adadelta")
class AdadeltaSpec(WeightDecaySpec):
    """Adadelta (Zeiler 2012)."""

    type: Literal["adadelta"] = "adadelta"
    rho: Probability = 0.9
    """Decay of the squared gradients."""
    eps: Positive = 1e-6
    """Added to the denominator."""


@OPTIMIZERS.register("adagrad")
class AdagradSpec(WeightDecaySpec):
    """Adagrad (Duchi et al. 2011)."""

    type: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: NonNegative = 0.0
    """Squared gradients at the start."""
    lr_decay: NonNegative = 0.0
    """Decay of the learning rate."""
    eps: Positive = 1e-10
    """Added to the denominator."""


@OPTIMIZERS.register("adamax")
class AdamaxSpec(AdamLikeSpec):
    """Adam by the infinity norm."""

    type: Literal["adamax"] = "adamax"


@OPTIMIZERS.register("nadam")
class NAdamSpec(AdamLikeSpec):
    """Adam with Nesterov momentum."""

    type: Literal["nadam"] = "nadam"
    momentum_decay: NonNegative = 0.004
    """Decay of the momentum."""


@OPTIMIZERS.register("radam")
class RAdamSpec(AdamLikeSpec):
    """Rectified Adam (Liu et al. 2020)."""

    type: Literal["radam"] = "radam"


@OPTIMIZERS.register("rmsprop")
class RMSpropSpec(WeightDecaySpec):
    """RMSprop."""

    type: Literal["rmsprop"] = "rmsprop"
    momentum: NonNegative = 0.0
    """Momentum."""
    alpha: Probability = 0.99
    """Decay of the squared gradients."""
    eps: Positive = 1e-8
    """Added to the denominator."""
    centered: bool = False
    """Normalizes by the variance of the gradient."""


@OPTIMIZERS.register("rprop")
class RpropSpec(OptimizerSpec):
    """Resilient backpropagation; wants full batches."""

    type: Literal["rprop"] = "rprop"
    etas: Annotated[tuple[Annotated[float, Gt(0.0), Lt(1.0)], Annotated[float, Gt(1.0)]], Strict(False)] = (0.5, 1.2)
    """Factors by which a step shrinks and grows."""
    step_sizes: Annotated[tuple[Positive, Positive], Strict(False)] = (1e-6, 50.0)
    """Least and largest step."""


@OPTIMIZERS.register("asgd")
class ASGDSpec(WeightDecaySpec):
    """Averaged stochastic gradient descent."""

    type: Literal["asgd"] = "asgd"
    lambd: NonNegative = 1e-4
    """Decay of the weights' part."""
    alpha: NonNegative = 0.75
    """Power of the step's decay."""
    t0: NonNegative = 1e6
    """Step at which averaging starts."""


@OPTIMIZERS.register("adafactor")
class AdafactorSpec(WeightDecaySpec):
    """Adafactor (Shazeer and Stern 2018)."""

    type: Literal["adafactor"] = "adafactor"
    lr: PendingNull = None
    """Use `trainer.learning_rate`."""
    scale_parameter: bool = True
    """Scales a step by the size of the parameter (always so in torch)."""
    relative_step: bool = True
    """Bounds the learning rate by 1 / sqrt(step) (always so in torch)."""
    warmup_init: PendingFalse = False
    """Use `learning_rate_scheduler.warmup_fraction`."""
    beta2_decay: float = -0.8
    """Decay of the second moment."""
    d: Positive = 1.0
    """Bound of an update."""


@OPTIMIZERS.register("muon")
class MuonSpec(WeightDecaySpec):
    """Orthogonalized momentum for matrices, AdamW for the rest (Jordan et al. 2024)."""

    type: Literal["muon"] = "muon"
    momentum: Probability = 0.95
    """Momentum."""
    nesterov: bool = True
    """Nesterov momentum."""


@OPTIMIZERS.register("sparse_adam")
class SparseAdamSpec(OptimizerSpec):
    """Adam that touches only the embedding vectors of the batch; the rest trains with Adam."""

    type: Literal["sparse_adam"] = "sparse_adam"
    betas: Betas = (0.9, 0.999)
    """Decay of the first and second moment."""
    eps: Positive = 1e-8
    """Added to the denominator."""


class GradientClippingSpec(Spec):
    """Limits on the gradient; those that are set are applied in this order."""

    clipglobalnorm: Positive | None = 1.0
    """Largest norm of all gradients together."""
    clipnorm: Positive | None = None
    """Largest norm of the gradient of each parameter."""
    clipvalue: Positive | None = None
    """Largest absolute value of each element."""


class SchedulerSpec(Spec):
    """How the learning rate changes."""

    decay: Literal["linear", "exponential", "cosine", "one_cycle", "inverse_sqrt", "polynomial", "wsd"] | None = None
    """Course of the learning rate over the steps; null keeps it."""
    decay_rate: Probability = 0.96
    """Factor of `exponential` after each `decay_steps`."""
    decay_steps: PositiveInt = 10000
    """Steps of one decay of `exponential`."""
    staircase: bool = False
    """Whether `exponential` decays in steps."""
    reduce_on_plateau: NonNegativeInt = 0
    """How many times the rate falls when the metric no longer improves."""
    reduce_on_plateau_patience: NonNegativeInt = 10
    """Evaluations without improvement before it falls."""
    reduce_on_plateau_rate: Probability = 0.1
    """Factor by which it falls."""
    warmup_evaluations: NonNegativeInt = 0
    """Evaluations over which the rate rises from 0."""
    warmup_fraction: Probability = 0.0
    """Fraction of all steps over which the rate rises from 0."""
    reduce_eval_metric: str = "loss"
    """Metric watched by `reduce_on_plateau`."""
    reduce_eval_split: Literal["training", "validation"] = "training"
    """Split watched by `reduce_on_plateau`."""
    t_0: PositiveInt | None = None
    """Steps before the first restart of `cosine`; null for all steps."""
    t_mult: PositiveInt = 1
    """Factor by which the time between restarts grows."""
    eta_min: Probability = 0.0
    """Least learning rate of `cosine`."""
    max_lr: Positive | None = None
    """Peak of `one_cycle`; null for the learning rate."""
    pct_start: Probability = 0.3
    """Fraction of the steps in which `one_cycle` rises."""
    div_factor: Positive = 25.0
    """`one_cycle` starts at its peak divided by this."""
    final_div_factor: Positive = 10000.0
    """`one_cycle` ends at its start divided by this."""
    inverse_sqrt_warmup_steps: PositiveInt = 4000
    """Steps of warm-up of `inverse_sqrt`."""
    polynomial_power: Positive = 1.0
    """Power of `polynomial`."""
    polynomial_end_lr: NonNegative = 0.0
    """Last learning rate of `polynomial`."""
    wsd_warmup_fraction: Probability = 0.1
    """Fraction of the steps in which `wsd` rises."""
    wsd_stable_fraction: Probability = 0.8
    """Fraction of the steps in which `wsd` stays."""
    wsd_decay_fraction: Probability = 0.1
    """Fraction of the steps in which `wsd` falls."""

    @model_validator(mode="after")
    def _fractions_fit(self) -> SchedulerSpec:
        total = self.wsd_warmup_fraction + self.wsd_stable_fraction + self.wsd_decay_fraction
        if self.decay == "wsd" and total > 1 + 1e-6:
            message = f"wsd_warmup_fraction, wsd_stable_fraction and wsd_decay_fraction sum to {total:g}"
            raise clash("decay", message, "a sum of at most 1")
        if self.warmup_evaluations and self.warmup_fraction:
            message = "'warmup_fraction' and 'warmup_evaluations' both say how long the rate rises"
            raise clash("warmup_fraction", message, "one of them")
        return self


Auto = Literal["auto"]


class TrainerSpec(Spec):
    """How the model is trained."""

    later: ClassVar[frozenset[str]] = frozenset({
        "type", "base_learning_rate", "packing", "packing_max_sequences_per_pack", "dpo_beta", "dpo_loss_type",
        "dpo_label_smoothing", "rejected_column", "kto_beta", "orpo_beta", "grpo_beta", "grpo_epsilon",
        "grpo_num_generations",
    })  # fmt: skip
    """Of the trainers of large language models."""

    validation_field: str | None = None
    """Output whose metric decides on the best model, or `combined`, the summed loss of all; null for `combined`, or for
    the output that has the `validation_metric`."""
    validation_metric: str | None = None
    """Metric that decides on the best model; null for the loss."""
    early_stop: Annotated[int, Ge(-1)] | Auto = "auto"
    """Evaluations without improvement before training stops; -1 never; `auto` waits for 16 without one of 0.0001 or
    more; fewer, at least 5, where those are more than 1000 steps; more where they are fewer than 64."""
    refit: bool | Auto = "auto"
    """Trains once more after the best number of steps is known, for that many steps, on training and validation rows
    together; `auto` where a constant learning rate meets fewer than 5,000 training rows, which can't spare any."""
    skip_all_evaluation: bool = False
    """Trains without evaluating; the last weights are kept."""
    enable_profiling: PendingFalse = False
    """Profiles training."""
    profiler: PendingNull = None
    """Schedule of the profiler."""
    learning_rate: Positive | Auto = 0.001
    """Size of a step; `auto` finds it by a range test of some seconds (Smith 2017): a tenth of the rate with the
    lowest loss, from 0.0001 to 0.01."""
    learning_rate_scheduler: SchedulerSpec = SchedulerSpec()
    """How the learning rate changes."""
    epochs: PositiveInt = 200
    """Most passes over the training rows."""
    checkpoints_per_epoch: NonNegativeInt = 0
    """Evaluations an epoch; 0 for one at its end."""
    train_steps: PositiveInt | None = None
    """Most steps; overrides `epochs`."""
    eval_steps: PositiveInt | None = None
    """Most batches of an evaluation; null for all."""
    steps_per_checkpoint: NonNegativeInt = 0
    """Steps between evaluations; 0 for once an epoch."""
    effective_batch_size: PositiveInt | Auto = "auto"
    """Rows of one update of the weights, of all processes together; `auto` is batch_size x gradient_accumulation_steps
    on each."""
    batch_size: PositiveInt | Auto = "auto"
    """Rows of one step on each process; `auto` for about 64 steps an epoch, from 32 to 256 rows on all processes
    together, fewer where memory is short."""
    max_batch_size: PositiveInt | None = 1099511627776
    """Upper bound of an automatic batch size."""
    gradient_accumulation_steps: PositiveInt | Auto = "auto"
    """Steps whose gradients make one update; `auto` is 1 or what `effective_batch_size` asks for."""
    eval_batch_size: PositiveInt | Auto | None = None
    """Rows of one evaluation step; null or `auto` by the rule."""
    evaluate_training_set: bool = False
    """Whether to evaluate on all training rows too."""
    optimizer: Annotated[OptimizerSpec, OneOf(OPTIMIZERS, "adamw")] = AdamWSpec()
    """Optimizer and its parameters."""
    regularization_type: Literal["l1", "l2", "l1_l2"] | None = "l2"
    """Penalty on the weights."""
    regularization_lambda: Probability = 0.0
    """Weight of the penalty."""
    should_shuffle: bool = True
    """Whether rows are shuffled anew each epoch."""
    increase_batch_size_on_plateau: NonNegativeInt = 0
    """How many times the batch grows when the metric no longer improves."""
    increase_batch_size_on_plateau_patience: NonNegativeInt = 5
    """Evaluations without improvement before it grows."""
    increase_batch_size_on_plateau_rate: NonNegative = 2.0
    """Factor by which it grows."""
    increase_batch_size_eval_metric: str = "loss"
    """Metric watched."""
    increase_batch_size_eval_split: Literal["training", "validation"] = "training"
    """Split watched."""
    gradient_clipping: GradientClippingSpec = GradientClippingSpec()
    """Limits on the gradient."""
    learning_rate_scaling: Literal["constant", "sqrt", "linear"] = "linear"
    """How the learning rate grows with the number of processes, where each takes a `batch_size` of its own."""
    bucketing_field: PendingNull = None
    """Batches of rows of similar length."""
    use_mixed_precision: bool | Literal["bfloat16", "float16"] = False
    """Computes in half precision where that is safe: in bfloat16, or with `true` on a GPU that lacks it in float16 with
    a scaled loss."""
    compile: bool = False
    """Compiles the network with torch.compile."""
    enable_gradient_checkpointing: bool = False
    """Keeps no activations within layers but computes them again for the gradient: less memory, a third more time."""
    layers_to_freeze_regex: str | None = None
    """Parameters whose name matches this regular expression do not learn."""
    loss_balancing: Annotated[
        Literal["none", "log_transform", "uncertainty", "famo", "gradnorm", "nash_mtl", "pareto_mtl"], Pending("none")
    ] = "none"
    """Balancing of the losses of several outputs."""
    loss_balancing_alpha: Annotated[float, Pending(1.5)] = 1.5
    """Asymmetry of gradnorm, smoothing of famo."""
    loss_balancing_lr: Annotated[float, Pending(0.01)] = 0.01
    """Learning rate of famo's weights."""
    loss_balancing_preference_vector: PendingNull = None
    """Preference of pareto_mtl."""
    loss_balancing_tchebycheff_weight: Annotated[float, Pending(0.5)] = 0.5
    """Mixing weight of pareto_mtl."""
    contrastive_pretrain_epochs: Annotated[int, Pending(0)] = 0
    """Epochs of contrastive pretraining of the encoders."""
    contrastive_pretrain_temperature: Annotated[float, Pending(0.07)] = 0.07
    """Temperature of contrastive pretraining."""
    contrastive_pretrain_projection_dim: Annotated[int, Pending(128)] = 128
    """Units of the projection of contrastive pretraining."""
    contrastive_pretrain_learnable_temperature: Annotated[bool, Pending(True)] = True
    """Whether the temperature of contrastive pretraining learns."""
    modality_dropout: Annotated[float, Pending(0.0)] = 0.0
    """Probability that a feature's encoding is dropped while training."""
    model_soup: Annotated[Any, Pending(None)] = None
    """Averages the weights of the best checkpoints."""
    model_soup_top_k: Annotated[int, Pending(5)] = 5
    """Checkpoints that are averaged."""

    @model_validator(mode="after")
    def _evaluations_are_said_once(self) -> TrainerSpec:
        if self.checkpoints_per_epoch and self.steps_per_checkpoint:
            message = "'steps_per_checkpoint' and 'checkpoints_per_epoch' both say when to evaluate"
            raise clash("steps_per_checkpoint", message, "one of them")
        return self

    @model_validator(mode="after")
    def _batches_add_up(self) -> TrainerSpec:
        whole, part, steps = self.effective_batch_size, self.batch_size, self.gradient_accumulation_steps
        if isinstance(whole, int) and isinstance(part, int) and isinstance(steps, int) and whole != part * steps:
            message = f"is {whole}, but batch_size x gradient_accumulation_steps is {part * steps}"
            raise clash("effective_batch_size", message, f"{part * steps}, or auto")
        known = part if isinstance(part, int) else steps
        if isinstance(whole, int) and isinstance(known, int) and whole % known:
            name = "batch_size" if isinstance(part, int) else "gradient_accumulation_steps"
            raise clash("effective_batch_size", f"{whole} is no multiple of {name}, which is {known}")
        return self

    @model_validator(mode="after")
    def _can_be_refitted(self) -> TrainerSpec:
        if self.refit is True and self.skip_all_evaluation:
            raise clash("refit", "needs the best number of steps, which 'skip_all_evaluation' leaves unknown")
        if self.refit is True and not self.is_rate_constant:
            raise clash(
                "refit", "repeats the best steps with a constant learning rate and batch size, and yours change"
            )
        return self

    @property
    def is_rate_constant(self) -> bool:
        """Whether learning rate and batch size stay the same over all steps."""
        scheduler = self.learning_rate_scheduler
        changes = scheduler.reduce_on_plateau, scheduler.warmup_fraction, scheduler.warmup_evaluations
        return scheduler.decay is None and not any(changes) and not self.increase_batch_size_on_plateau

    @model_validator(mode="after")
    def _names_a_pattern(self) -> TrainerSpec:
        try:
            re.compile(self.layers_to_freeze_regex or "")
        except re.error as error:
            raise clash("layers_to_freeze_regex", f"is no regular expression: {error}") from error
        return self
