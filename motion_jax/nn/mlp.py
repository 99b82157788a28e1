"""Affine layers one behind another, with a ReLU between two of them and none at the end."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from motion_jax.nn.deferred_grad import Compute, Operand, product, save_for_backward
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.types import Array


def init_mlp(key: Array, widths: Sequence[int]) -> tuple[Dense, ...]:
    """Parameters from `widths[0]` features to `widths[-1]`; consumes `key`."""
    keys = jax.random.split(key, len(widths) - 1)
    return tuple(init_dense(k, i, o) for k, i, o in zip(keys, widths[:-1], widths[1:], strict=True))


def mlp_weights(layers: Sequence[Dense], compute: Compute) -> tuple[Operand, ...]:
    """The layers as operands."""
    return tuple(dense_weights(layer, compute) for layer in layers)


def apply_mlp(weights: Sequence[Operand], x: Array) -> Array:
    """x `[..., I]` to `[..., O]`."""
    for layer in weights[:-1]:
        x = jax.nn.relu(save_for_backward(product(x, layer)))
    return product(x, weights[-1])
