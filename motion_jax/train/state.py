"""All that a run is, besides its config and its data."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from motion_jax.types import Array, Model, Params


class TrainState(struct.PyTreeNode):
    """What a checkpoint holds and what the step maps to its successor."""

    params: Params
    opt_state: Any
    step: Array  # [] int32, updates done
    key: Array  # raw PRNG key data; step t draws from fold_in(key, t), so a resumed run draws what it would have


def init_state(model: Model, optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    """Step 0. One half of the seed's key makes the parameters, the other half stays in the state.

    One program in place of a hundred small ones, which load for longer; the values are the same, bitwise.
    """

    def first(key: Array) -> TrainState:
        return _first(model, optimizer, key)

    return jax.jit(first)(jax.random.key(seed))


@jax.jit
def is_finite(state: TrainState) -> Array:
    """Whether every real number of the state is finite, `[]` bool."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def abstract_state(model: Model, optimizer: optax.GradientTransformation) -> TrainState:
    """The shapes and dtypes of `init_state`, computed without computing."""
    return jax.eval_shape(lambda: _first(model, optimizer, jax.random.key(0)))


def _first(model: Model, optimizer: optax.GradientTransformation, key: Array) -> TrainState:
    params_key, rest = jax.random.split(key)
    params = model.init(params_key)
    return TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32), jax.random.key_data(rest))
