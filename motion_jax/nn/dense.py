"""The affine layer, and the uniform initialiser that everything here shares."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import Compute, Operand, make_operand
from motion_jax.types import Array


class Dense(NamedTuple):
    """y = x W + b."""

    w: Array  # [I, O]
    b: Array  # [O]


def uniform(key: Array, shape: tuple[int, ...], fan: int) -> Array:
    """U(-1/sqrt(fan), 1/sqrt(fan)), float32: PyTorch's default for linear (fan = inputs) and recurrent (fan = H)
    layers, which the thesis's experiments ran on.
    """  # fmt: skip
    bound = 1 / math.sqrt(fan)
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)


def init_dense(key: Array, inputs: int, outputs: int) -> Dense:
    """Fresh parameters; consumes `key`."""
    w, b = jax.random.split(key)
    return Dense(uniform(w, (inputs, outputs), inputs), uniform(b, (outputs,), inputs))


def dense_weights(params: Dense, compute: Compute) -> Operand:
    """The layer as an operand of `product`."""
    return make_operand(params.w, params.b, compute)
