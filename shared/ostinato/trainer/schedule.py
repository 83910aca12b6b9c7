"""The learning rate at each step. S steps in all, W of them warm-up. Pure functions: nothing to save or restore."""

from __future__ import annotations

import math

from ostinato.trainer.spec import SchedulerSpec


def learning_rate(spec: SchedulerSpec, base: float, step: int, total_steps: int, steps_per_evaluation: int) -> float:
    """The rate of update `step` (from 0) of `total_steps`; `base` is `trainer.learning_rate`."""
    warmup = round(spec.warmup_fraction * total_steps) or spec.warmup_evaluations * steps_per_evaluation
    if step < warmup:
        return base * (step + 1) / warmup
    return _decayed(spec, base, step - warmup, max(1, total_steps - warmup))


def _decayed(spec: SchedulerSpec, base: float, step: int, total: int) -> float:
    done = min(1.0, step / total)
    rate = base
    match spec.decay:
        case "linear":
            rate = base * (1 - done)
        case "exponential":
            times = step / spec.decay_steps
            rate = base * spec.decay_rate ** (math.floor(times) if spec.staircase else times)
        case "cosine":
            rate = spec.eta_min + (base - spec.eta_min) * _falling(_since_restart(spec, step, total))
        case "one_cycle":
            rate = _one_cycle(spec, spec.max_lr or base, done)
        case "inverse_sqrt":
            warmup = spec.inverse_sqrt_warmup_steps
            rate = base * min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))
        case "polynomial":
            end = spec.polynomial_end_lr
            rate = (base - end) * (1 - done) ** spec.polynomial_power + end
        case "wsd":
            rate = base * _warmup_stable_decay(spec, step, total)
    return rate


def _falling(done: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * done)) / 2


def _since_restart(spec: SchedulerSpec, step: int, total: int) -> float:
    """Share of the present period that is over (SGDR, Loshchilov and Hutter 2017)."""
    period = spec.t_0 or total
    while step >= period:
        step -= period
        if spec.t_0 is None:
            return 1.0
        period *= spec.t_mult
    return step / period


def _one_cycle(spec: SchedulerSpec, peak: float, done: float) -> float:
    """Up to the peak and down to almost nothing, both by half a cosine (Smith and Topin 2018)."""
    start = peak / spec.div_factor
    end = start / spec.final_div_factor
    if done < spec.pct_start:
        return peak + (start - peak) * _falling(done / spec.pct_start)
    if spec.pct_start >= 1:
        return peak
    return end + (peak - end) * _falling((done - spec.pct_start) / (1 - spec.pct_start))


def _warmup_stable_decay(spec: SchedulerSpec, step: int, total: int) -> float:
    """Rise, plateau, fall to 0, by fractions of all steps (Hu et al. 2024)."""
    rise = round(spec.wsd_warmup_fraction * total)
    fall = round(spec.wsd_decay_fraction * total)
    stable = round(spec.wsd_stable_fraction * total)
    if step < rise:
        return (step + 1) / rise
    if step < rise + stable or not fall:
        return 1.0
    return max(0.0, 1 - (step - rise - stable) / fall)
