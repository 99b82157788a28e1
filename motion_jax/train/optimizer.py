"""The optimiser by name: optax, with the thesis's staircase decay and gradient clipping."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from motion_jax.config import OptimConfig

OPTIMIZERS: dict[str, Callable[[OptimConfig, optax.Schedule], optax.GradientTransformation]] = {
    "sgd": lambda c, rate: optax.sgd(rate),
    "momentum": lambda c, rate: optax.sgd(rate, momentum=c.momentum),
    "nesterov": lambda c, rate: optax.sgd(rate, momentum=c.momentum, nesterov=True),
    "adagrad": lambda c, rate: optax.adagrad(rate),
    "rmsprop": lambda c, rate: optax.rmsprop(rate, momentum=c.momentum),
    "adam": lambda c, rate: optax.adam(rate),
    "adamw": lambda c, rate: optax.adamw(rate, weight_decay=c.weight_decay),
}


def learning_rate(config: OptimConfig) -> optax.Schedule:
    """rate x decay_rate ^ floor(step / decay_steps) (thesis, Table 6)."""
    return optax.exponential_decay(config.learning_rate, config.decay_steps, config.decay_rate, staircase=True)


def make_optimizer(config: OptimConfig) -> optax.GradientTransformation:
    """Clip the whole gradient's norm, then the optimiser."""
    clip = {
        "l2": optax.clip_by_global_norm(config.clip_norm),
        "l1": clip_by_global_l1_norm(config.clip_norm),
        "none": optax.identity(),
    }[config.clip_kind]
    return optax.chain(clip, OPTIMIZERS[config.name](config, learning_rate(config)))


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
