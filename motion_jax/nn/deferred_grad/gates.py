"""The nonlinearities of recurrent cells and attention, whose values a reverse pass reads again."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from motion_jax.types import Array

_KEPT = "kept"


def save_for_backward(x: Array) -> Array:
    """Marks a value that the reverse pass of a deferred scan shall find saved; all others it computes again."""
    return checkpoint_name(x, _KEPT)


def save_policy() -> Callable[..., bool]:
    """The policy for `jax.checkpoint` that saves what `save_for_backward` marked."""
    return jax.checkpoint_policies.save_only_these_names(_KEPT)


@jax.custom_jvp
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with a derivative that reads the kept result alone."""
    return jax.nn.sigmoid(x)


@sigmoid.defjvp
def _sigmoid_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = save_for_backward(jax.nn.sigmoid(primals[0]))
    return y, tangents[0] * (y * (1 - y))


@jax.custom_jvp
def softmax(x: Array) -> Array:
    """Over the last axis, with a derivative that reads the kept result alone."""
    return jax.nn.softmax(x, axis=-1)


@softmax.defjvp
def _softmax_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = save_for_backward(jax.nn.softmax(primals[0], axis=-1))
    return y, y * (tangents[0] - jnp.sum(y * tangents[0], axis=-1, keepdims=True))


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """Hyperbolic tangent, with a derivative that reads the kept result alone."""
    return jnp.tanh(x)


@tanh.defjvp
def _tanh_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = save_for_backward(jnp.tanh(primals[0]))
    return y, tangents[0] * (1 - y * y)
