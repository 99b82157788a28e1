"""The additive score v . tanh(q + k_j), with what does not change from step to step taken out of the tanh.

tanh(x) = 1 - 2 / (1 + e^2x), and e^2(q + k) = e^2q e^2k: of the S H values of a step a product, a sum and a quotient
are left, about half of what tanh costs. The softmax behind the score does not see the constant.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.types import Array


class AdditiveKeys(NamedTuple):
    """Keys `[B, S, H]` and what is held against queries in their place."""

    keys: Array  # [B, S, H]; a gradient's way, not read
    middle: Array  # [B, 1, H] between the least and the greatest of a unit's keys
    grown: Array  # [B, S, H] e^2(k - middle)


def prepare_keys(keys: Array) -> AdditiveKeys:
    """What `score` reads of keys `[B, S, H]`.

    It is exact as long as a unit's keys lie within 71 of one another over the positions (703 in float64), wherever they
    lie: half of that and the largest query that is told from a saturated one fill the exponent's range. The states of
    an encoder are bounded by its number of directions, so that it would take weights of that sum to leave it.
    """
    fixed = jax.lax.stop_gradient(keys)
    middle = (fixed.min(1, keepdims=True) + fixed.max(1, keepdims=True)) / 2
    reach = _limit(keys) - math.log(2 / float(jnp.finfo(keys.dtype).eps)) / 2  # beyond it, tanh is 1 to the last bit
    return AdditiveKeys(keys, middle, jnp.exp(2 * jnp.clip(fixed - middle, -reach, reach)))


def additive_score(query: Array, keys: AdditiveKeys, v: Array) -> Array:
    """v . tanh(q + k_j) less the sum of v, `[B, S]`, of queries `[B, H]` and v `[H]`."""
    return _fallen(query[:, None], *(part.astype(query.dtype) for part in keys)) @ (-2 * v)


@jax.custom_jvp
def _fallen(query: Array, keys: Array, middle: Array, grown: Array) -> Array:
    """(1 - tanh(q + k)) / 2 = 1 / (1 + e^2(q + k)), `[B, S, H]`."""
    del keys
    limit = _limit(query)
    return 1 / (1 + jnp.exp(2 * jnp.clip(query + middle, -limit, limit)) * grown)


@_fallen.defjvp
def _fallen_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    """By x = q + k: `middle` and `grown` are other names of the keys, whose own tangents would count twice."""
    fallen = _fallen(*primals)
    return fallen, -2 * fallen * (1 - fallen) * (tangents[0] + tangents[1])


def _limit(x: Array) -> float:
    """The largest x whose e^2x is a number."""
    return 0.99 * math.log(float(jnp.finfo(x.dtype).max)) / 2
