"""Teacher forcing: which decoder steps read the truth (thesis 4.2; scheduled sampling, Bengio et al. 2015)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from motion_jax.config import TrainConfig
from motion_jax.types import Array

SIGMOID_SHARPNESS = 10.0  # inverse sigmoid: how many e-folds the odds fall over the run, centred on its middle


def forcing_ratio(config: TrainConfig, step: Array) -> Array:
    """The probability of teacher forcing at `step`, from `teacher_forcing` down to `forcing_end` over the run.

    constant: `teacher_forcing`. linear: a straight line. exponential: a geometric fall of the distance to the end, to
    1% of it. inverse_sigmoid: k / (k + exp(i / k)) in its normalised form, a logistic fall centred on mid-run
    (Bengio et al. 2015, section 2.4).
    """
    start, end = config.teacher_forcing, config.forcing_end
    if config.forcing_schedule == "constant":  # `steps` is not in the program: a longer run finds it compiled
        return jnp.full(jnp.shape(step), start, jnp.float32)
    done = jnp.clip(step / config.steps, 0.0, 1.0)
    if config.forcing_schedule == "linear":
        return start + (end - start) * done
    if config.forcing_schedule == "exponential":
        return end + (start - end) * 0.01**done
    return end + (start - end) * jax.nn.sigmoid(SIGMOID_SHARPNESS * (0.5 - done))


def sample_forcing(config: TrainConfig, key: Array, step: Array, batch: int, target_length: int) -> Array:
    """`forced` `[B, T]`: true with the probability of `forcing_ratio`; consumes `key`.

    `train.coin`: one draw an iteration for the whole batch (thesis 4.2.4), one a sequence, or one a step (Bengio et al.
    2015).
    """
    shape = {"iteration": (1, 1), "sequence": (batch, 1), "step": (batch, target_length)}[config.coin]
    coins = jax.random.uniform(key, shape) < forcing_ratio(config, step)
    return jnp.broadcast_to(coins, (batch, target_length))


def forcing_of_mode(mode: str, batch: int, target_length: int) -> Array:
    """`forced` `[B, T]` of an evaluation mode: all false for "free_running", all true for "one_step"."""
    return jnp.full((batch, target_length), {"free_running": False, "one_step": True}[mode])
