"""Dilated causal convolutions over time, that read a whole sequence at once or a frame at a step.

Layer k joins the frame before it by 2^k frames with the current one: n layers see 2^n frames. A layer whose width does
not change is added to its input.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import Operand, product, save_for_backward
from motion_jax.nn.dense import Dense, init_dense
from motion_jax.types import Array

SLOPE = 0.05  # of the leaky rectifier where it is negative

Queues = tuple[Array, ...]  # of each layer its last 2^k inputs, [2^k, B, I], oldest first


def receptive_field(layers: int) -> int:
    """Frames that the output of a stack depends on."""
    return 2**layers


def init_convolutions(key: Array, inputs: int, hidden: int, layers: int) -> tuple[Dense, ...]:
    """Weights `[2 I, H]` of each layer: of the earlier frame, then of the current one; consumes `key`."""
    widths = (inputs,) + (hidden,) * (layers - 1)
    return tuple(init_dense(k, 2 * w, hidden) for k, w in zip(jax.random.split(key, layers), widths, strict=True))


def convolve(layers: tuple[Operand, ...], inputs: Array) -> tuple[Queues, Array]:
    """Runs a stack over `inputs` `[T, B, I]`, T at least the receptive field less one.

    Returns what `advance` continues from, and the outputs `[T - 2^n + 1, B, H]` of the frames with a whole past.
    """
    queues, x = [], inputs
    for k, layer in enumerate(layers):
        queues.append(x[-(2**k) :])
        x = _layer(layer, x[: -(2**k)], x[2**k :])
    return tuple(queues), x


def convolve_step(layers: tuple[Operand, ...], queues: Queues, x: Array) -> tuple[Queues, Array]:
    """One more frame x `[B, I]`: the queues after it and the output `[B, H]`."""
    after = []
    for layer, queue in zip(layers, queues, strict=True):
        after.append(jnp.concatenate([queue[1:], x[None]]))
        x = _layer(layer, queue[0], x)
    return tuple(after), x


def _layer(layer: Operand, before: Array, x: Array) -> Array:
    y = jax.nn.leaky_relu(save_for_backward(product(jnp.concatenate([before, x], axis=-1), layer)), SLOPE)
    return x + y if x.shape == y.shape else y


def causal_convolution(layer: Operand, queue: Array, x: Array, dilation: int) -> tuple[Array, Array]:
    """One convolution of K frames that lie `dilation` apart, the last of them the current one.

    Args:
        layer: weights `[K I, H]`, of the earliest frame first.
        queue: `[(K - 1) dilation, B, I]` the inputs before x, oldest first; zeros before the first.
        x: `[L, B, I]` more inputs, L at least 1.
        dilation: frames from one that is read to the next.

    Returns:
        The queue after x, and the outputs `[L, B, H]`.
    """
    known = jnp.concatenate([queue, x])
    taps = [known[start : start + len(x)] for start in range(0, len(queue) + 1, dilation)]
    return known[len(x) :], product(jnp.concatenate(taps, axis=-1), layer)
