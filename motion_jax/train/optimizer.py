"""The optimiser by name: optax, with schedules of the learning rate, weight decay and gradient clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from motion_jax.config import Experiment, OptimConfig
from motion_jax.types import Params, RateScales

OPTIMIZERS: dict[str, Callable[[OptimConfig, optax.Schedule], optax.GradientTransformation]] = {
    "sgd": lambda c, rate: optax.sgd(rate),
    "momentum": lambda c, rate: optax.sgd(rate, momentum=c.momentum),
    "nesterov": lambda c, rate: optax.sgd(rate, momentum=c.momentum, nesterov=True),
    "adagrad": lambda c, rate: optax.adagrad(rate),
    "rmsprop": lambda c, rate: optax.rmsprop(rate, momentum=c.momentum),
    "adam": lambda c, rate: _with_l2(c.weight_decay, optax.adam(rate)),
    "adamw": lambda c, rate: optax.chain(
        optax.scale_by_adam(), decay_matrices(c.weight_decay), optax.scale_by_learning_rate(rate)
    ),
}
NO_MATRIX = ("bias", "scale", "shift", "mean", "variance")
"""Names that weight decay passes over, as it does what is called b or b_...: of several layers they are 2-D."""


def learning_rate(experiment: Experiment) -> optax.Schedule:
    """The rate of each update, counted from 0.

    staircase: rate x decay_rate ^ floor(step / decay_steps) (thesis, Table 6); exponential: the same without the floor.
    cosine, linear: from the rate to `final_fraction` of it at `train.steps`. constant. During the first `warmup_steps`
    updates each is multiplied by (step + 1) / warmup_steps.
    """
    config, steps = experiment.optim, experiment.train.steps
    rate = config.learning_rate
    if config.schedule in ("staircase", "exponential"):
        stairs = config.schedule == "staircase"
        decayed = optax.exponential_decay(rate, config.decay_steps, config.decay_rate, staircase=stairs)
    elif config.schedule == "cosine":
        decayed = optax.cosine_decay_schedule(rate, steps, config.final_fraction)
    elif config.schedule == "linear":
        decayed = optax.linear_schedule(rate, rate * config.final_fraction, steps)
    else:
        decayed = optax.constant_schedule(rate)
    if not config.warmup_steps:
        return decayed
    return lambda step: decayed(step) * jnp.minimum((step + 1) / config.warmup_steps, 1.0)


def make_optimizer(experiment: Experiment, rate_scales: RateScales | None = None) -> optax.GradientTransformation:
    """Clip the whole gradient's norm, then the optimiser of `experiment.optim`.

    `rate_scales` multiply its updates; the optimiser's state is the same with and without them.
    """
    config = experiment.optim
    clip = {
        "l2": optax.clip_by_global_norm(config.clip_norm),
        "l1": clip_by_global_l1_norm(config.clip_norm),
        "none": optax.identity(),
    }[config.clip_kind]
    optimizer = optax.chain(clip, OPTIMIZERS[config.name](config, learning_rate(experiment)))
    if rate_scales is None:
        return optimizer

    def update(updates: Any, state: optax.OptState, params: Params = None) -> tuple[Any, optax.OptState]:
        updates, state = optimizer.update(updates, state, params)
        return jax.tree.map(lambda leaf, scale: leaf * scale, updates, rate_scales(params)), state

    return optax.GradientTransformation(optimizer.init, update)


def clip_by_global_l1_norm(limit: float) -> optax.GradientTransformation:
    """Scales the gradient so that the sum of its absolute values is at most `limit` (thesis 3.8's other norm)."""

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        norm = optax.tree.norm(updates, ord=1)
        scale = jnp.where(norm > limit, limit / norm, 1.0)  # the division is unused where norm is 0
        return jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def decay_matrices(weight_decay: float) -> optax.GradientTransformation:
    """Adds `weight_decay` x parameter to the update of each matrix; biases and the parts of norms are left out."""

    def update(updates: Any, state: optax.OptState, params: Params = None) -> tuple[Any, optax.OptState]:
        def decayed(path: Any, leaf: Any, param: Any) -> Any:
            return leaf + weight_decay * param if _is_matrix(path, param) else leaf

        return jax.tree_util.tree_map_with_path(decayed, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _is_matrix(path: Any, leaf: Any) -> bool:
    name = jax.tree_util.keystr(path[-1:], simple=True) if path else ""
    return jnp.ndim(leaf) >= 2 and not (name == "b" or name.startswith("b_") or name in NO_MATRIX)


def _with_l2(weight_decay: float, optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The gradient of weight_decay / 2 x |parameters|^2 added, after clipping, as `weight_decay` of PyTorch's Adam."""
    return optax.chain(optax.add_decayed_weights(weight_decay), optimizer) if weight_decay else optimizer
